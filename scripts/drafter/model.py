"""Gemma 4's drafter in PyTorch, written to agree with llama.cpp's src/models/gemma4-assistant.cpp.

It has no keys and values of its own: its layers look at those of the target's last sliding and last global layer. For
the newest token, at position p, it reads the token's embedding in the target and the target's hidden state after
position p - 1, sees the keys before p, and says what follows p. From its own hidden state and its own guess it goes on:
every further guess keeps the position p (common/speculative.cpp:1649), since the target has no later keys yet.

Shapes: B sequences, T positions, E the target's embedding length, D the drafter's, H heads, S head size, V vocabulary.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from scripts.demo.model import Gemma4, RMSNorm, Shape, rotate


@dataclass(frozen=True, slots=True)
class DrafterShape:
    """The hyperparameters of a drafter; heads, window and rope are the target's."""

    target: Shape
    embedding: int = 64
    heads: int = 4
    feed_forward: int = 128
    sliding: tuple[bool, ...] = field(default=(True, False))

    @property
    def layers(self) -> int:
        """The number of layers."""
        return len(self.sliding)

    def head_size(self, layer: int) -> int:
        """Return the head size of a layer, which is that of the keys it looks at."""
        return self.target.head_sliding if self.sliding[layer] else self.target.head_global


@dataclass(frozen=True, slots=True)
class Seen:
    """What the drafter takes from the target: the keys and values [B, 1, T, S] by kind of layer, and the rest of it."""

    kv: dict[bool, tuple[Tensor, Tensor]]  # by "is sliding"
    ropes: dict[bool, tuple[Tensor, Tensor]]
    masks: dict[bool, Tensor]

    @classmethod
    def of(cls, target: Gemma4, tokens: Tensor) -> tuple["Seen", Tensor]:
        """Run the target over tokens [B, T]; also return its normed hidden states [B, T, E]."""
        shape, length = target.shape, tokens.shape[1]
        state, cache = target.states(tokens)
        kv = {shape.sliding[layer]: cache[shape.owner(layer)] for layer in (shape.layers - 2, shape.layers - 1)}
        before = ~torch.eye(length, dtype=torch.bool)  # the newest token's own keys are not computed yet
        masks = {kind: target.mask(length, kind) & before for kind in kv}
        return cls(kv, {kind: target.rope(length, kind) for kind in kv}, masks), target.output_norm(state)


class DrafterLayer(nn.Module):
    """Attention over the target's keys and values, and the FFN, each between two norms, then the layer's scale."""

    def __init__(self, shape: DrafterShape, index: int) -> None:
        super().__init__()
        self.heads, self.size, self.kind = shape.heads, shape.head_size(index), shape.sliding[index]
        self.attn_norm = RMSNorm(shape.embedding)
        self.attn_q = nn.Linear(shape.embedding, shape.heads * self.size, bias=False)
        self.attn_q_norm = RMSNorm(self.size, self.size**-0.25)
        self.attn_output = nn.Linear(shape.heads * self.size, shape.embedding, bias=False)
        self.post_attention_norm = RMSNorm(shape.embedding, 0.5)
        self.ffn_norm = RMSNorm(shape.embedding)
        self.ffn_gate = nn.Linear(shape.embedding, shape.feed_forward, bias=False)
        self.ffn_up = nn.Linear(shape.embedding, shape.feed_forward, bias=False)
        self.ffn_down = nn.Linear(shape.feed_forward, shape.embedding, bias=False)
        self.post_ffw_norm = RMSNorm(shape.embedding, 0.5)
        self.layer_output_scale = nn.Parameter(torch.ones(1))

    def forward(self, state: Tensor, seen: Seen) -> Tensor:
        """Return the layer's output [B, T, D]."""
        state = state + self.post_attention_norm(self.attend(self.attn_norm(state), seen))
        hidden = self.ffn_norm(state)
        hidden = gelu(self.ffn_gate(hidden), approximate="tanh") * self.ffn_up(hidden)
        output: Tensor = (state + self.post_ffw_norm(self.ffn_down(hidden))) * self.layer_output_scale
        return output

    def attend(self, hidden: Tensor, seen: Seen) -> Tensor:
        """Return the attention's output [B, T, D]; the scale is 1. The first position sees nothing and gives 0."""
        batch, length, _ = hidden.shape
        query = self.attn_q(hidden).view(batch, length, self.heads, self.size).transpose(1, 2)
        query = rotate(self.attn_q_norm(query), *seen.ropes[self.kind])
        key, value = (part.to(query.dtype).expand(-1, self.heads, -1, -1) for part in seen.kv[self.kind])
        mask = seen.masks[self.kind]
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0).nan_to_num(0.0)
        output: Tensor = self.attn_output(mixed.transpose(1, 2).reshape(batch, length, -1))
        return output


class Drafter(nn.Module):
    """The whole drafter: a token and a hidden state to logits and the next hidden state."""

    def __init__(self, shape: DrafterShape) -> None:
        super().__init__()
        self.shape = shape
        wide = shape.target.embedding
        table = torch.randn(shape.target.vocabulary, shape.embedding) / math.sqrt(shape.embedding)
        self.token_embd = nn.Parameter(table)
        self.pre_projection = nn.Linear(2 * wide, shape.embedding, bias=False)
        self.blk = nn.ModuleList(DrafterLayer(shape, index) for index in range(shape.layers))
        self.output_norm = RMSNorm(shape.embedding)
        self.post_projection = nn.Linear(shape.embedding, wide, bias=False)

    def start_from(self, target: Gemma4) -> None:
        """Begin with the target's table on its D strongest directions, so that it needs not be learned from nothing."""
        directions = torch.linalg.svd(target.token_embd, full_matrices=False).Vh[: self.shape.embedding]
        with torch.no_grad():
            self.token_embd.copy_(target.token_embd @ directions.T)
            self.pre_projection.weight[:, target.shape.embedding :] = directions
            self.post_projection.weight.copy_(directions.T)

    def forward(self, embedding: Tensor, hidden: Tensor, seen: Seen) -> tuple[Tensor, Tensor]:
        """Return logits [B, T, V] and the next hidden states [B, T, E] of two inputs [B, T, E]."""
        state = self.pre_projection(torch.cat((embedding, hidden), dim=-1))
        for layer in self.blk:
            state = layer(state, seen)
        state = self.output_norm(state)
        return torch.matmul(state, self.token_embd.T), self.post_projection(state)

    def guesses(self, target: Gemma4, tokens: Tensor, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield logits [B, T - 1 - k, V] after position p + k, for p from 1, and the target's, for each step k from 0.

        Each step reads the true token: what was guessed wrong is thrown away with all that followed from it.
        """
        with torch.no_grad():
            seen, states = Seen.of(target, tokens)
            embeddings = target.token_embd[tokens] * math.sqrt(target.shape.embedding)
            wanted = target.logits(states)
        hidden = torch.cat((torch.zeros_like(states[:, :1]), states[:, :-1]), dim=1)
        for step in range(steps):
            read = torch.cat((embeddings[:, step:], torch.zeros_like(embeddings[:, :step])), dim=1)
            logits, hidden = self(read, hidden, seen)
            yield logits[:, 1 : tokens.shape[1] - step], wanted[:, 1 + step :]
