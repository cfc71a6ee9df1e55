"""Log-probabilities under the model's own distribution: temperature 1, no filters."""

import math

import numpy as np

from g4run.engine.protocol import Alternative
from g4run.engine.sampling.top_k import FloatArray, largest

_CHUNK = (
    16384  # values converted to float64 at a time: 128 KiB fit in a core's cache, 2 MiB would be paged in each time
)


class LogProbabilities:
    """Log-probabilities of one row of logits; the log-sum-exp is computed once, in float64."""

    def __init__(self, logits: FloatArray) -> None:
        self._logits = logits
        self._total = _log_sum_exp(logits)

    def of(self, token: int) -> float:
        """Return the natural-log probability of a token."""
        return float(self._logits[token]) - self._total

    def likeliest(self, count: int) -> list[Alternative]:
        """Return the `count` most likely tokens, best first; ties by token id."""
        if count <= 0:
            return []
        return [Alternative(int(token), self.of(int(token))) for token in largest(self._logits, count)]


def _log_sum_exp(logits: FloatArray) -> float:
    highest = float(logits.max())
    buffer = np.empty(min(_CHUNK, logits.shape[0]))
    total = 0.0
    for start in range(0, logits.shape[0], _CHUNK):
        part = logits[start : start + _CHUNK]
        terms = buffer[: part.shape[0]]
        np.subtract(part, highest, out=terms, dtype=np.float64)
        total += float(np.exp(terms, out=terms).sum())
    return highest + math.log(total)
