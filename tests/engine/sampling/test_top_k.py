import numpy as np
import pytest

from g4run.engine.sampling.top_k import largest


@pytest.mark.parametrize("size", [1, 5, 63, 64, 1280, 5000, 100_003, 262_144])
@pytest.mark.parametrize("count", [1, 3, 64, 255, 1024, 262_144])
def test_the_result_matches_a_full_sort_with_ties_by_index(size: int, count: int) -> None:
    values = np.random.default_rng(size + count).normal(0, 2, size).astype(np.float32).round(1)
    values[:: 7 if size > 7 else 1000] = values[0]
    expected = np.lexsort((np.arange(size), -values))[:count]
    assert np.array_equal(largest(values, count), expected)


@pytest.mark.parametrize("size", [10, 5000])
def test_nan_and_minus_infinity_are_left_out(size: int) -> None:
    values = np.full(size, -np.inf, np.float32)
    values[3], values[7] = 1, 2
    assert largest(values, 4).tolist() == [7, 3]
    assert largest(np.full(size, -np.inf, np.float32), 2).tolist() == []
    assert largest(np.full(size, np.nan, np.float32), 2).tolist() == []
    small = np.array([np.nan, 1, -np.inf, 3], np.float32)
    assert largest(small, 2).tolist() == [3, 1]
