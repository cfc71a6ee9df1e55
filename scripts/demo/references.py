"""Reference logits of the exported weights, and how far wrong arithmetic would be from them.

`tests/test_demo_logits.py` compares llama.cpp with the file written here, and needs no PyTorch for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor

from scripts.demo.corpus import TOOL_NAMES, Conversation
from scripts.demo.generators import Source
from scripts.demo.model import Gemma4, Shape
from scripts.demo.rendering import render_conversation
from scripts.demo.tokenizer import Tokenizer

SEED = 17
EVERY = 4
LEAST_TOKENS = 320


@dataclass(frozen=True, slots=True)
class OtherOwner(Shape):
    """A shape whose shared sliding layers use the keys and values of the first sliding layer."""

    def owner(self, layer: int) -> int:
        """Return the wrong owner for shared sliding layers."""
        return 0 if layer >= self.owners and self.sliding[layer] else Shape.owner(self, layer)


@dataclass(frozen=True, slots=True)
class OtherGlobalOwner(Shape):
    """A shape whose shared global layers use the keys and values of the first global layer."""

    def owner(self, layer: int) -> int:
        """Return the wrong owner for shared global layers."""
        first = self.sliding.index(False)
        return first if layer >= self.owners and not self.sliding[layer] else Shape.owner(self, layer)


def write_references(model: Gemma4, tokenizer: Tokenizer, path: Path) -> dict[str, float]:
    """Write text, tokens, logits and the wrong models' differences; return those differences.

    `logits` holds every fourth position, `best` the likeliest token of every position. A difference is the mean of
    |logit - logit| over the positions kept, as the test computes it.
    """
    text = sample_text(tokenizer)
    tokens = torch.tensor([tokenizer.encode(text)])
    logits = model(tokens)[0]
    kept = logits[::EVERY]
    differences = {name: (wrong(tokens)[0][::EVERY] - kept).abs().mean().item() for name, wrong in mutations(model)}
    np.savez_compressed(
        path,
        text=np.array(text),
        tokens=tokens[0].numpy().astype(np.int32),
        every=np.array(EVERY),
        logits=kept.numpy().astype(np.float32),
        best=logits.argmax(-1).numpy().astype(np.int32),
        mutations=np.array(list(differences)),
        differences=np.array(list(differences.values()), dtype=np.float32),
    )
    return differences


def sample_text(tokenizer: Tokenizer) -> str:
    """Return a conversation with tools, thinking and recall, longer than several windows."""
    source = Source(Random(SEED))
    text = ""
    while len(tokenizer.encode(text)) < LEAST_TOKENS:
        told, asked = source.recall()
        between = (source.tool(TOOL_NAMES), source.written(), source.written(), source.sum(), source.json())
        exchanges = (told, *between, asked)
        text = render_conversation(Conversation(exchanges, "You are a helpful assistant.", TOOL_NAMES, think=True))
    return text


def mutations(model: Gemma4) -> Iterator[tuple[str, Gemma4]]:
    """Yield models with one thing wrong: each must differ from the right one by more than the test tolerates."""
    shape = model.shape
    values = {name: getattr(shape, name) for name in Shape.__dataclass_fields__}
    yield "window one token wider", with_shape(model, replace(shape, window=shape.window + 1))
    yield "window one token narrower", with_shape(model, replace(shape, window=shape.window - 1))
    yield "no window", with_shape(model, replace(shape, window=shape.context))
    small, large = shape.rope_base_sliding, shape.rope_base_global
    yield "global rope base on sliding layers", with_shape(model, replace(shape, rope_base_sliding=large))
    yield "sliding rope base on global layers", with_shape(model, replace(shape, rope_base_global=small))
    yield "whole head rotated on global layers", with_shape(model, replace(shape, rotated_fraction=1.0))
    yield "no soft-cap", with_shape(model, replace(shape, soft_cap=1e6))
    yield "other owner of shared sliding layers", with_shape(model, OtherOwner(**values))
    yield "other owner of shared global layers", with_shape(model, OtherGlobalOwner(**values))
    yield "no per-layer token embedding", with_tensors(model, "per_layer_token_embd", torch.zeros_like)
    yield "no projection of per-layer inputs", with_tensors(model, "per_layer_proj_norm", torch.zeros_like)
    yield "no layer_output_scale", with_tensors(model, "layer_output_scale", torch.ones_like)
    yield "no norm weight of q", with_tensors(model, "attn_q_norm", torch.ones_like)
    yield "no norm after the FFN", with_tensors(model, "post_ffw_norm", torch.ones_like)


def with_shape(model: Gemma4, shape: Shape) -> Gemma4:
    """Return a model of another shape with the same weights."""
    other = Gemma4(shape).requires_grad_(False)
    other.load_state_dict(model.state_dict())
    return other.eval()


def with_tensors(model: Gemma4, name: str, change: Callable[[Tensor], Tensor]) -> Gemma4:
    """Return a model in which every tensor of that name is changed."""
    other = with_shape(model, model.shape)
    state = {key: change(value) if name in key.split(".") else value for key, value in other.state_dict().items()}
    other.load_state_dict(state)
    return other
