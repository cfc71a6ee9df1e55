"""How much of a Mac's memory its GPU may use."""

import pytest

from g4run.hardware.apple import working_set_bytes

GIB = 1 << 30


@pytest.mark.parametrize(
    ("gib", "limit_mb", "expected"),
    [
        (8, 0, 8 * GIB * 2 // 3),
        (36, 0, 24 * GIB),
        (64, 0, 48 * GIB),
        (64, 57344, 56 * GIB),
        (16, 99999, 16 * GIB),
    ],
)
def test_two_thirds_of_a_small_memory_three_quarters_of_a_large_one(gib: int, limit_mb: int, expected: int) -> None:
    assert working_set_bytes(gib * GIB, limit_mb) == expected
