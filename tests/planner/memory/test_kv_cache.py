"""The KV cache's size, compared with llama.cpp's own figures."""

import pytest

from g4run.kv_types import KvType
from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.memory.kv_cache import Cells, CellWidths, cache_bytes, cells_of, sum_widths
from g4run.planner.values import PlanSettings
from scripts.shapes.sizes import SHAPES
from tests.planner.plans import settings_of
from tests.planner.shapes import real_architecture

MIB = 1 << 20


def kv_bytes(architecture: Gemma4, settings: PlanSettings) -> int:
    """What the whole model's cache takes."""
    cells = cells_of(architecture.sliding_window, settings)
    return cache_bytes(sum_widths(architecture, range(architecture.layers)), cells, settings.kv_type)


# In f16, from llama.cpp's log (src/llama-kv-cache.cpp:301).
@pytest.mark.parametrize(
    ("size", "context", "mib"),
    [
        ("e2b", 8192, 60),
        ("e2b", 131_072, 780),
        ("e4b", 8192, 168),
        ("e4b", 131_072, 2088),
        ("12b", 8192, 608),
        ("12b", 131_072, 2528),
        ("26b", 8192, 460),
        ("26b", 262_144, 5420),
        ("31b", 8192, 1840),
        ("31b", 262_144, 21_680),
    ],
)
def test_the_cache_equals_llama_cpps(size: str, context: int, mib: int) -> None:
    architecture = real_architecture(size)
    found = {kv_type: kv_bytes(architecture, settings_of(context, kv_type=kv_type)) for kv_type in KvType}
    f16 = mib * MIB
    assert found == {KvType.F16: f16, KvType.Q8_0: f16 * 34 // 64, KvType.Q4_0: f16 * 18 // 64}


@pytest.mark.parametrize(("size", "more_mib"), [("e2b", 6), ("e4b", 20), ("12b", 320), ("26b", 200), ("31b", 800)])
def test_another_sequence_costs_a_window(size: str, more_mib: int) -> None:
    architecture = real_architecture(size)
    one, two = (kv_bytes(architecture, settings_of(8192, 512, count)) for count in (1, 2))
    assert two - one == more_mib * MIB


@pytest.mark.parametrize(
    ("context", "micro_batch", "sequences", "cells"),
    [
        (8192, 512, 1, Cells(8192, 1536)),
        (8192, 2048, 4, Cells(8192, 6144)),
        (8000, 500, 1, Cells(8192, 1536)),  # both rounded up to 256
        (1, 512, 1, Cells(256, 256)),
        (1024, 2048, 1, Cells(1024, 1024)),  # never more than the context
        (4096, 512, 4, Cells(4096, 4096)),
    ],
)
def test_cells(context: int, micro_batch: int, sequences: int, cells: Cells) -> None:
    assert cells_of(1024, settings_of(context, micro_batch, sequences)) == cells


def test_layers_that_share_a_cache_own_none() -> None:
    e2b = real_architecture("e2b")
    assert sum_widths(e2b, range(15, 35)) == CellWidths()
    assert sum_widths(e2b, range(35)) == CellWidths(context=3 * 2 * 512, sliding=12 * 2 * 256)


@pytest.mark.parametrize("size", SHAPES)
def test_the_layers_add_up_to_the_whole_cache(size: str) -> None:
    architecture = real_architecture(size)
    cells = cells_of(architecture.sliding_window, settings_of(8192))
    parts = [cache_bytes(sum_widths(architecture, [layer]), cells, KvType.Q4_0) for layer in range(architecture.layers)]
    assert sum(parts) == kv_bytes(architecture, settings_of(8192, kv_type=KvType.Q4_0))
