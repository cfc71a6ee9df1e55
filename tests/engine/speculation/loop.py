"""A single-sequence generator over engine/llama/api.py, with and without speculation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from g4run.engine.llama.api import Batch, Context, FloatArray, Model
from g4run.engine.speculation.speculator import Speculator

Draw = Callable[[FloatArray], int]
TOP_K = 4
STEP_SECONDS = 1.0  # every step is reported to take the same time, so drafting always pays when a token is accepted


def greedy(logits: FloatArray) -> int:
    return int(logits.argmax())


def dice(seed: int, temperature: float) -> Draw:
    random = np.random.default_rng(seed)

    def draw(logits: FloatArray) -> int:
        return int(random.choice(len(logits), p=probabilities(logits, temperature)))

    return draw


def probabilities(logits: FloatArray, temperature: float) -> npt.NDArray[np.float64]:
    """Softmax over the four most likely tokens: at a high temperature the other thousand would dominate."""
    scaled = logits.astype(np.float64) / temperature
    scaled[scaled < np.partition(scaled, -TOP_K)[-TOP_K]] = -np.inf
    weights = np.exp(scaled - scaled.max())
    shares: npt.NDArray[np.float64] = weights / weights.sum()
    return shares


@dataclass(slots=True)
class Counts:
    """Decode calls after the prompt, drafted tokens, accepted tokens."""

    decodes: int = 0
    proposed: int = 0
    accepted: int = 0


@dataclass(slots=True)
class Loop:
    """Generates with one sequence of a context."""

    model: Model
    context: Context
    speculator: Speculator | None = None
    sequence_id: int = 0
    counts: Counts = field(default_factory=Counts)
    _request_id: int = 0

    def generate(self, prompt: Iterable[int], limit: int, draw: Draw = greedy) -> list[int]:
        """Return at most `limit` tokens after `prompt`, up to the end token."""
        tokens = list(prompt)
        start, self._request_id = len(tokens), self._request_id + 1
        self.context.truncate(self.sequence_id, 0)
        index = self._decode(0, tokens, 1)
        tokens.append(draw(self.context.logits(index)))
        self._follow(tokens, index)
        while len(tokens) - start < limit and not self.model.is_end(tokens[-1]):
            self._step(tokens, limit - (len(tokens) - start) - 1, draw)
        return tokens[start:]

    def logits(self, tokens: list[int]) -> FloatArray:
        """Return a copy of the logits after `tokens`, computed from the start."""
        self.context.truncate(self.sequence_id, 0)
        return self.context.logits(self._decode(0, tokens, 1)).copy()

    def _step(self, tokens: list[int], room: int, draw: Draw) -> None:
        drafted = self.speculator.propose(self._request_id, tokens, room) if self.speculator else []
        first = self._decode(len(tokens) - 1, [tokens[-1], *drafted], 1 + len(drafted))
        accepted = 0
        for place in range(len(drafted) + 1):
            tokens.append(draw(self.context.logits(first + place)))
            if place == len(drafted) or drafted[place] != tokens[-1]:
                break
            accepted += 1
            if self.model.is_end(tokens[-1]):
                break
        self.context.truncate(self.sequence_id, len(tokens) - 1)
        self._follow(tokens, first + place)
        self.counts.decodes += 1
        self.counts.proposed += len(drafted)
        self.counts.accepted += accepted
        if self.speculator:
            self.speculator.observe(accepted, STEP_SECONDS)

    def _follow(self, tokens: list[int], index: int) -> None:
        if self.speculator:
            self.speculator.follow(self._request_id, self.sequence_id, len(tokens), index)

    def _decode(self, position: int, tokens: list[int], outputs: int) -> int:
        batch = Batch(self.context.micro_batch, 8)
        size, first = self.context.micro_batch, 0
        for start in range(0, len(tokens), size):
            part = tokens[start : start + size]
            batch.clear()
            first = batch.append(
                self.sequence_id, position + start, part, outputs if start + size >= len(tokens) else 0
            )
            assert self.context.decode(batch) == 0
        return first
