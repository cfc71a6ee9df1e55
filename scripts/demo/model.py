"""The text model of Gemma 4 (E2B's kind) in PyTorch, written to agree with llama.cpp's src/models/gemma4.cpp.

Shapes: B sequences, T positions, E embedding length, P per-layer embedding length, L layers, H heads, D head size.
`tests/test_demo_logits.py` holds the agreement.
"""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

NORM_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Shape:
    """The hyperparameters of a model; the defaults are the demo's."""

    vocabulary: int
    embedding: int = 128
    per_layer: int = 32
    heads: int = 4
    head_sliding: int = 32
    head_global: int = 64
    feed_forward: int = 256
    sliding: tuple[bool, ...] = (True, False, True, False, True, False)
    shared: int = 2
    window: int = 64
    context: int = 4096
    rope_base_sliding: float = 1e4
    rope_base_global: float = 1e6
    rotated_fraction: float = 0.25
    soft_cap: float = 30.0

    @property
    def layers(self) -> int:
        """The number of layers."""
        return len(self.sliding)

    @property
    def owners(self) -> int:
        """The number of layers with keys and values of their own."""
        return self.layers - self.shared

    def head_size(self, layer: int) -> int:
        """Return the head size of a layer of this kind."""
        return self.head_sliding if self.sliding[layer] else self.head_global

    def feed_forward_length(self, layer: int) -> int:
        """Return the FFN's width: double in the layers with shared KV."""
        return self.feed_forward * (1 if layer < self.owners else 2)

    def owner(self, layer: int) -> int:
        """Return the layer whose keys and values a layer uses (src/llama-model.cpp:2780)."""
        if layer < self.owners:
            return layer
        return self.owners - (2 if self.sliding[layer] else 1)

    def rope_divisors(self) -> Tensor:
        """Return the tensor `rope_freqs` of the global layers: 1 for the rotated pairs, 1e30 for those that stay."""
        pairs = self.head_global // 2
        rotated = int(self.head_global * self.rotated_fraction / 2)
        return torch.tensor([1.0] * rotated + [1e30] * (pairs - rotated))


class Normalize(torch.autograd.Function):
    """v / rms(v) · weight over the last dimension; with its gradient by hand it takes half of autograd's time."""

    @staticmethod
    def forward(context: Any, value: Tensor, weight: Tensor) -> Tensor:
        """Return the normed value in float32."""
        value = value.float()
        mean = torch.linalg.vector_norm(value, dim=-1, keepdim=True).square_().div_(value.shape[-1])
        inverse = mean.add_(NORM_EPSILON).rsqrt_()
        unit = value * inverse
        context.save_for_backward(unit, inverse, weight)
        normed: Tensor = unit * weight
        return normed

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of value and weight."""
        unit, inverse, weight = context.saved_tensors
        size = unit.shape[-1]
        rows = (gradient * unit).reshape(-1, size)
        mean = torch.mv(rows, weight).div_(size).view(inverse.shape)
        return (gradient * weight).addcmul_(unit, mean, value=-1).mul_(inverse), rows.sum(0)


def normalize(value: Tensor, weight: Tensor) -> Tensor:
    """Return v / rms(v) · weight over the last dimension."""
    normed: Tensor = Normalize.apply(value, weight)  # type: ignore[no-untyped-call]
    return normed


class RMSNorm(nn.Module):
    """v / rms(v) · weight over the last dimension."""

    def __init__(self, size: int, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), start))

    def forward(self, value: Tensor) -> Tensor:
        """Normalise in float32."""
        return normalize(value, self.weight)


def rotate(value: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the pairs (i, i + D/2) of the last dimension (NeoX order)."""
    first, second = value.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


class Layer(nn.Module):
    """Attention, FFN and the per-layer input, each between two norms, then the layer's scale."""

    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        size, width = shape.head_size(index), shape.feed_forward_length(index)
        self.heads, self.size, self.owns = shape.heads, size, index < shape.owners
        start = size**-0.25  # scores begin at the usual 1/sqrt(D), although their scale is 1
        self.attn_norm = RMSNorm(shape.embedding)
        self.attn_q = nn.Linear(shape.embedding, shape.heads * size, bias=False)
        self.attn_q_norm = RMSNorm(size, start)
        if self.owns:
            self.attn_k = nn.Linear(shape.embedding, size, bias=False)
            self.attn_v = nn.Linear(shape.embedding, size, bias=False)
            self.attn_k_norm = RMSNorm(size, start)
        self.attn_output = nn.Linear(shape.heads * size, shape.embedding, bias=False)
        self.post_attention_norm = RMSNorm(shape.embedding, 0.5)
        self.ffn_norm = RMSNorm(shape.embedding)
        self.ffn_gate = nn.Linear(shape.embedding, width, bias=False)
        self.ffn_up = nn.Linear(shape.embedding, width, bias=False)
        self.ffn_down = nn.Linear(width, shape.embedding, bias=False)
        self.post_ffw_norm = RMSNorm(shape.embedding, 0.5)
        self.inp_gate = nn.Linear(shape.embedding, shape.per_layer, bias=False)
        self.proj = nn.Linear(shape.per_layer, shape.embedding, bias=False)
        self.post_norm = RMSNorm(shape.embedding, 0.5)
        self.layer_output_scale = nn.Parameter(torch.ones(1))

    def keys_and_values(self, hidden: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
        """Return k and v, both [B, 1, T, D], of the normed input."""
        key = rotate(self.attn_k_norm(self.attn_k(hidden)), cosine, sine)
        value = self.attn_v(hidden)
        value = normalize(value, torch.ones(self.size))
        return key.unsqueeze(1), value.unsqueeze(1)

    def attend(self, hidden: Tensor, kv: tuple[Tensor, Tensor], rope: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Return the attention's output [B, T, E]; `mask` is True where a query sees a key."""
        batch, length, _ = hidden.shape
        query = self.attn_q(hidden).view(batch, length, self.heads, self.size).transpose(1, 2)
        query = rotate(self.attn_q_norm(query), *rope)
        key, value = (part.expand(-1, self.heads, -1, -1) for part in kv)
        dtype = self.attn_q(hidden[:1, :1]).dtype
        mixed = scaled_dot_product_attention(query.to(dtype), key.to(dtype), value.to(dtype), attn_mask=mask, scale=1.0)
        output: Tensor = self.attn_output(mixed.transpose(1, 2).reshape(batch, length, -1))
        return output

    def finish(self, residual: Tensor, attention: Tensor, per_layer_input: Tensor) -> Tensor:
        """Return the layer's output of its input, its attention and the per-layer input [B, T, P]."""
        residual = residual + self.post_attention_norm(attention)
        hidden = self.ffn_norm(residual)
        hidden = gelu(self.ffn_gate(hidden), approximate="tanh") * self.ffn_up(hidden)
        residual = residual + self.post_ffw_norm(self.ffn_down(hidden))
        gated = gelu(self.inp_gate(residual), approximate="tanh") * per_layer_input
        output: Tensor = (residual + self.post_norm(self.proj(gated))) * self.layer_output_scale
        return output


class Gemma4(nn.Module):
    """The whole model: tokens [B, T] to logits [B, T, V]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        inputs = shape.per_layer * shape.layers
        self.token_embd = nn.Parameter(torch.randn(shape.vocabulary, shape.embedding) / math.sqrt(shape.embedding))
        self.per_layer_token_embd = nn.Parameter(torch.randn(shape.vocabulary, inputs) / math.sqrt(shape.per_layer))
        self.per_layer_model_proj = nn.Linear(shape.embedding, inputs, bias=False)
        self.per_layer_proj_norm = RMSNorm(shape.per_layer)
        self.blk = nn.ModuleList(Layer(shape, index) for index in range(shape.layers))
        self.output_norm = RMSNorm(shape.embedding)

    def forward(self, tokens: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Return logits; with `chosen` (a mask [B, T]), only those of the chosen positions, as [N, V]."""
        hidden = self.output_norm(self.states(tokens)[0])
        return self.logits(hidden if chosen is None else hidden[chosen])

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits [..., V] of normed hidden states [..., E]."""
        logits = torch.matmul(hidden, self.token_embd.T).float()
        return self.shape.soft_cap * torch.tanh(logits / self.shape.soft_cap)

    def states(self, tokens: Tensor) -> tuple[Tensor, dict[int, tuple[Tensor, Tensor]]]:
        """Return the last layer's output [B, T, E], and keys and values [B, 1, T, D] of each layer that owns some."""
        shape = self.shape
        state = self.token_embd[tokens] * math.sqrt(shape.embedding)
        inputs = self.per_layer_inputs(tokens, state)
        ropes = {kind: self.rope(tokens.shape[1], kind) for kind in (True, False)}
        masks = {kind: self.mask(tokens.shape[1], kind) for kind in (True, False)}
        cache: dict[int, tuple[Tensor, Tensor]] = {}
        for index, layer in enumerate(cast("list[Layer]", list(self.blk))):
            kind = shape.sliding[index]
            normed = layer.attn_norm(state)
            if layer.owns:
                cache[index] = layer.keys_and_values(normed, *ropes[kind])
            attention = layer.attend(normed, cache[shape.owner(index)], ropes[kind], masks[kind])
            state = layer.finish(state, attention, inputs[:, :, index])
        return state, cache

    def per_layer_inputs(self, tokens: Tensor, state: Tensor) -> Tensor:
        """Return the inputs of all layers [B, T, L, P]."""
        shape = self.shape
        split = (*tokens.shape, shape.layers, shape.per_layer)
        looked_up = self.per_layer_token_embd[tokens].view(split) * math.sqrt(shape.per_layer)
        projected = (self.per_layer_model_proj(state) / math.sqrt(shape.embedding)).view(split)
        inputs: Tensor = (self.per_layer_proj_norm(projected) + looked_up) / math.sqrt(2)
        return inputs

    def rope(self, length: int, sliding: bool) -> tuple[Tensor, Tensor]:
        """Return cosine and sine [T, D/2] of a kind of layer."""
        shape = self.shape
        size = shape.head_sliding if sliding else shape.head_global
        base = shape.rope_base_sliding if sliding else shape.rope_base_global
        frequencies = base ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
        if not sliding:
            frequencies = frequencies / shape.rope_divisors()
        angles = torch.arange(length, dtype=torch.float32).unsqueeze(1) * frequencies
        return angles.cos(), angles.sin()

    def mask(self, length: int, sliding: bool) -> Tensor:
        """Return which key (column) a query (row) sees: i - window < j <= i, without the window on global layers."""
        distance = torch.arange(length).unsqueeze(1) - torch.arange(length)
        return (distance >= 0) & (distance < (self.shape.window if sliding else length))
