"""The dimensions of each Gemma 4 size, as in the metadata of its files."""

from functools import cache

import msgspec

from g4run.models.gguf.dimensions import Gemma4
from g4run.models.names.types import Size

VOCABULARY_SIZE = 262_144
KEY_LENGTH, KEY_LENGTH_SWA = 512, 256


class _Dimensions(msgspec.Struct, frozen=True):
    """The dimensions that differ between sizes; the last of each `group` layers sees the whole context."""

    label: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int  # of sliding layers
    global_kv_heads: int
    group: int = 6
    window: int = 1024
    context_length: int = 262_144
    shared_layers: int = 0
    wide_shared_layers: int = 1  # factor by which their feed-forward part is wider
    per_layer_width: int = 0
    experts: int = 0
    experts_used: int = 0
    expert_feed_forward: int = 0


_SMALL_CONTEXT = 131_072
_SIZES = {
    Size.E2B: _Dimensions("E2B", 35, 1536, 6144, 8, 1, 1, 5, 512, _SMALL_CONTEXT, 20, 2, 256),
    Size.E4B: _Dimensions("E4B", 42, 2560, 10_240, 8, 2, 2, 6, 512, _SMALL_CONTEXT, 18, 1, 256),
    Size.DENSE_12B: _Dimensions("12B", 48, 3840, 15_360, 16, 8, 1),
    Size.A4B_26B: _Dimensions(
        "26B A4B", 30, 2816, 2112, 16, 8, 2, experts=128, experts_used=8, expert_feed_forward=704
    ),
    Size.DENSE_31B: _Dimensions("31B", 60, 5376, 21_504, 32, 16, 4),
}


@cache
def architecture_of(size: Size, parameters: int) -> Gemma4:
    """Return the dimensions of a size; `parameters` come from the catalog."""
    dimensions = _SIZES[size]
    layers = range(dimensions.layers)
    sliding = tuple(layer % dimensions.group != dimensions.group - 1 for layer in layers)
    first_shared = dimensions.layers - dimensions.shared_layers
    return Gemma4(
        size_label=dimensions.label,
        parameters=parameters,
        layers=dimensions.layers,
        embedding_length=dimensions.width,
        feed_forward_lengths=tuple(
            dimensions.feed_forward * (dimensions.wide_shared_layers if layer >= first_shared else 1)
            for layer in layers
        ),
        head_count=dimensions.heads,
        kv_head_counts=tuple(dimensions.kv_heads if sliding[layer] else dimensions.global_kv_heads for layer in layers),
        key_length=KEY_LENGTH,
        key_length_swa=KEY_LENGTH_SWA,
        sliding_window=dimensions.window,
        sliding_pattern=sliding,
        shared_kv_layers=dimensions.shared_layers,
        per_layer_embedding_length=dimensions.per_layer_width,
        expert_count=dimensions.experts,
        expert_used_count=dimensions.experts_used,
        expert_feed_forward_length=dimensions.expert_feed_forward,
        context_length=dimensions.context_length,
        vocabulary_size=VOCABULARY_SIZE,
        has_thinking=True,
    )
