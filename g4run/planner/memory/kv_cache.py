"""Compute the size of the KV cache to the byte, layer by layer.

Formulas: src/llama-kv-cache-iswa.cpp:71-82 and src/llama-kv-cache.cpp:207-250, for one cache that all sequences share
(kv_unified), and for flash attention, without which V would be padded.
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from g4run.kv_types import KvType
from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.values import PlanSettings

CELL_PADDING = 256

# ggml-common.h: values in a block, and its bytes.
BLOCKS = {KvType.F16: (1, 2), KvType.Q8_0: (32, 34), KvType.Q4_0: (32, 18)}
VALUE_BYTES = {kv_type: size / values for kv_type, (values, size) in BLOCKS.items()}  # including the block's scale


class Cells(msgspec.Struct, frozen=True):
    """The number of cells in a global layer and in a sliding one."""

    context: int
    sliding: int


class CellWidths(msgspec.Struct, frozen=True):
    """The number of keys and values per cell, summed over global layers and over sliding ones."""

    context: int = 0
    sliding: int = 0


def padded_cells(cells: int) -> int:
    """Round a number of cells up as llama.cpp does."""
    return -(-cells // CELL_PADDING) * CELL_PADDING


def cells_of(window: int, settings: PlanSettings) -> Cells:
    """Return the cells of both kinds of layers; sliding ones keep each sequence's window and the current batch."""
    cells = padded_cells(settings.context)
    return Cells(
        cells, padded_cells(min(cells, window * settings.sequences + min(settings.micro_batch, settings.context)))
    )


def widths_of_layer(architecture: Gemma4, layer: int) -> CellWidths:
    """Return the keys and values per cell of a layer; none if it uses an earlier layer's cache."""
    if layer >= architecture.kv_layers:
        return CellWidths()
    width = 2 * architecture.kv_head_counts[layer] * architecture.key_length_of(layer)
    return CellWidths(sliding=width) if architecture.sliding_pattern[layer] else CellWidths(context=width)


def owner_of(architecture: Gemma4, layer: int) -> int:
    """Return the layer whose cache a layer uses: its own, or the last one of its kind (src/llama-model.cpp)."""
    if layer < architecture.kv_layers:
        return layer
    return architecture.kv_layers - (2 if architecture.sliding_pattern[layer] else 1)


def cache_bytes(widths: CellWidths, cells: Cells, kv_type: KvType) -> int:
    """Return the size of the cache of some layers. Rows are whole blocks, because heads are 256 or 512 long."""
    values, size = BLOCKS[kv_type]
    return (widths.context * cells.context + widths.sliding * cells.sliding) * size // values


@lru_cache(maxsize=64)
def _all_widths(architecture: Gemma4) -> tuple[CellWidths, ...]:
    return tuple(widths_of_layer(architecture, layer) for layer in range(architecture.layers))


def sum_widths(architecture: Gemma4, layers: Iterable[int]) -> CellWidths:
    """Return the keys and values per cell over several layers."""
    widths = _all_widths(architecture)
    found = [widths[layer] for layer in layers]
    return CellWidths(sum(widths.context for widths in found), sum(widths.sliding for widths in found))
