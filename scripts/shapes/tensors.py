"""The tensors of a shape: their names, dimensions and sizes, without their types' choice."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from scripts.shapes.sizes import VOCABULARY_SIZE, Shape


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the file's directory lists it; `shape` has the row length first."""

    name: str
    shape: tuple[int, ...]
    kind: str  # a name of GGMLQuantizationType

    @property
    def size_bytes(self) -> int:
        """How many bytes the tensor takes, padding excluded."""
        block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[self.kind]]
        return math.prod(self.shape) // int(block) * int(block_bytes)


def tensor_shapes(shape: Shape, vocabulary_size: int = VOCABULARY_SIZE) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor's name and shape, as llama.cpp's src/models/gemma4.cpp asks for them."""
    yield "token_embd.weight", (shape.width, vocabulary_size)
    if shape.per_layer_width:
        per_layer = shape.per_layer_width * shape.layers
        yield "per_layer_token_embd.weight", (per_layer, vocabulary_size)
        yield "per_layer_model_proj.weight", (shape.width, per_layer)
        yield "per_layer_proj_norm.weight", (shape.per_layer_width,)
    yield "output_norm.weight", (shape.width,)
    yield "rope_freqs.weight", (shape.key_length // 2,)
    for layer in range(shape.layers):
        for name, dimensions in _layer_shapes(shape, layer):
            yield f"blk.{layer}.{name}", dimensions


def _layer_shapes(shape: Shape, layer: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, feed_forward, experts = shape.width, shape.feed_forward_of(layer), shape.experts
    is_sliding = shape.is_sliding(layer)
    head = shape.key_length_swa if is_sliding else shape.key_length
    kv_width = head * (shape.kv_heads if is_sliding else shape.global_kv_heads)
    for norm in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
        yield f"{norm}.weight", (width,)
    yield "attn_q.weight", (width, head * shape.heads)
    yield "attn_k.weight", (width, kv_width)
    if is_sliding or shape.per_layer_width:  # the large members' global layers use K as V
        yield "attn_v.weight", (width, kv_width)
    yield "attn_output.weight", (head * shape.heads, width)
    yield "attn_q_norm.weight", (head,)
    yield "attn_k_norm.weight", (head,)
    yield "layer_output_scale.weight", (1,)
    yield "ffn_gate.weight", (width, feed_forward)
    yield "ffn_up.weight", (width, feed_forward)
    yield "ffn_down.weight", (feed_forward, width)
    if experts:
        for norm in ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"):
            yield f"{norm}.weight", (width,)
        yield "ffn_gate_inp.weight", (width, experts)
        yield "ffn_gate_inp.scale", (width,)
        yield "ffn_gate_up_exps.weight", (width, 2 * shape.expert_feed_forward, experts)
        yield "ffn_down_exps.weight", (shape.expert_feed_forward, width, experts)
        yield "ffn_down_exps.scale", (experts,)
    if shape.per_layer_width:
        yield "inp_gate.weight", (width, shape.per_layer_width)
        yield "proj.weight", (shape.per_layer_width, width)
        yield "post_norm.weight", (width,)
