"""The bounds of the engine's caches in the main memory that a plan leaves free."""

import pytest

from g4run.models.names.types import Size
from g4run.planner.memory.engine_caches import CacheBounds, bound_caches, token_table_bytes
from g4run.planner.memory.size_dimensions import architecture_of
from g4run.planner.values import DeviceLedger, Ledger

GPU = DeviceLedger("GPU", "gpu", 5, 0, 0, 0, 0, 0, 0, free_bytes=10**12, gpu=0)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (-1, CacheBounds(0, 0)),
        (0, CacheBounds(0, 0)),
        (4000, CacheBounds(1000, 1000)),
        (2 << 30, CacheBounds(512 << 20, 512 << 20)),
        (3 << 30, CacheBounds(512 << 20, 768 << 20)),
        (100 << 30, CacheBounds(512 << 20, 1 << 30)),
    ],
)
def test_each_cache_gets_a_quarter_of_free_memory_up_to_its_maximum(left: int, expected: CacheBounds) -> None:
    host = DeviceLedger("CPU", "cpu", 700, 100, 50, 50, 40, 30, 30, free_bytes=1000 + left)
    assert bound_caches(Ledger((GPU, host))) == expected


@pytest.mark.parametrize("size", list(Size))
def test_constrained_decoding_takes_what_its_token_table_was_measured_to_take(size: Size) -> None:
    assert 75e6 < token_table_bytes(architecture_of(size, 0)) < 80e6
