"""Rendered conversations as batches of tokens, with a weight for each token that is to be learned."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from scripts.demo.corpus import Conversation
from scripts.demo.rendering import render_conversation
from scripts.demo.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Sample:
    """The tokens of one conversation and the loss weight of each."""

    tokens: list[int]
    weights: list[float]


def sample(conversation: Conversation, tokenizer: Tokenizer) -> Sample:
    """Tokenize a conversation; what the model says weighs 1, what it reads 0.

    With thinking on, the rendered history has lost its thoughts, so only the last answer is to be learned.
    """
    tokens = tokenizer.encode(render_conversation(conversation))
    weights = turn_weights(tokens, tokenizer)
    if conversation.think:
        last = len(tokens) - 1 - tokens[::-1].index(tokenizer.ids["<|turn>"])
        weights = [0.0 if place < last else weight for place, weight in enumerate(weights)]
    return Sample(tokens, weights)


def turn_weights(tokens: list[int], tokenizer: Tokenizer) -> list[float]:
    """Weigh each token: 1 within a model turn, its end included, but not within a tool's response."""
    ids = tokenizer.ids
    begin = [ids["<|turn>"], *tokenizer.encode("model\n")]
    weights: list[float] = []
    speaking = reading = False
    for place, token in enumerate(tokens):
        weights.append(1.0 if speaking and not reading else 0.0)
        if token == ids["<turn|>"]:
            speaking = False
        elif token == ids["<|tool_response>"]:
            reading = True
        elif token == ids["<tool_response|>"]:
            reading = False
        if tokens[place + 1 - len(begin) : place + 1] == begin:
            speaking = True
    return weights


def batches(samples: Iterable[Sample], size: int, random: Random) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (tokens, weights), both [B, T], of samples of similar length, about `size` tokens each."""
    ordered = sorted(samples, key=lambda item: len(item.tokens))
    groups: list[list[Sample]] = [[]]
    for item in ordered:
        if groups[-1] and (len(groups[-1]) + 1) * len(item.tokens) > size:
            groups.append([])
        groups[-1].append(item)
    random.shuffle(groups)
    for group in groups:
        yield padded(group)


def padded(group: list[Sample]) -> tuple[Tensor, Tensor]:
    """Return the samples as two tensors [B, T], padded with token 0 of weight 0."""
    length = max(len(item.tokens) for item in group)
    tokens = torch.zeros(len(group), length, dtype=torch.long)
    weights = torch.zeros(len(group), length)
    for row, item in enumerate(group):
        tokens[row, : len(item.tokens)] = torch.tensor(item.tokens)
        weights[row, : len(item.tokens)] = torch.tensor(item.weights)
    return tokens, weights
