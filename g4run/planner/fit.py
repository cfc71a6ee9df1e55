"""Does a model fit into this machine's memory: its file, its cache and its compute buffer against what there is.

Formulas: KV cache of src/llama-kv-cache-iswa.cpp, compute buffer as measured on llama.cpp's CPU backend with flash
attention, for one sequence, a micro-batch of 512 and an f16 cache.
"""

from dataclasses import dataclass
from enum import StrEnum

from g4run.hardware.memory import Memory

CONTEXT_LENGTH = 8192  # tokens; what a model is loaded with unless a person asks for another
MICRO_BATCH = 512
CELL_PADDING = 256
UNKNOWN_MARGIN = 0.15  # of the file, for a model of which only the file's size is known


class Fit(StrEnum):
    """The verdict: with what is free now, only after other programs gave memory back, or not at all."""

    YES = "yes"
    TIGHT = "tight"
    NO = "no"


@dataclass(frozen=True, slots=True)
class _Shape:
    """What one size keeps: bytes per cell of an f16 cache, the window, and the compute buffer per token."""

    global_cell_bytes: int
    sliding_cell_bytes: int
    window: int
    compute_token_bytes: int


_SHAPES = {
    "E2B": _Shape(6_144, 12_288, 512, 224_300),
    "E4B": _Shape(16_384, 40_960, 512, 229_420),
    "12B": _Shape(16_384, 327_680, 1024, 263_210),
    "26B A4B": _Shape(20_480, 204_800, 1024, 196_650),
    "31B": _Shape(81_920, 819_200, 1024, 355_370),
}


def needed_bytes(file_bytes: int, size_label: str, context_length: int = CONTEXT_LENGTH) -> int:
    """What a loaded model takes: all of its files, its KV cache, and its compute buffer."""
    shape = _SHAPES.get(size_label)
    if shape is None:
        return file_bytes + int(file_bytes * UNKNOWN_MARGIN)
    cells = _padded(context_length)
    sliding_cells = _padded(min(cells, shape.window + MICRO_BATCH))
    cache = cells * shape.global_cell_bytes + sliding_cells * shape.sliding_cell_bytes
    compute = MICRO_BATCH * (2 * (cells + sliding_cells) + shape.compute_token_bytes)
    return file_bytes + cache + compute


def judge_fit(needed: int, memory: Memory) -> Fit:
    """Compare what is needed with what is free, and with all that this process may ever have."""
    if needed <= memory.available_bytes:
        return Fit.YES
    return Fit.TIGHT if needed <= memory.usable_bytes else Fit.NO


def _padded(cells: int) -> int:
    return -(-cells // CELL_PADDING) * CELL_PADDING
