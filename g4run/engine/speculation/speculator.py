"""Chooses the drafter and the draft length for each step."""

from collections.abc import Sequence
from typing import Protocol

from g4run.engine.speculation.lengths import DraftLength


class Drafter(Protocol):
    """Drafts the next tokens of one request at a time; a request's tokens only ever grow."""

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Note that the newest of a request's `length` tokens came from the logits at `index` of the last batch."""

    def propose(self, request_id: int, tokens: Sequence[int], limit: int) -> list[int]:
        """Draft at most `limit` tokens after `tokens`."""


class Speculator:
    """Drafts for the only generating sequence; asks a drafter on trial first, then the one with the largest gain.

    A step is: `propose`; decode the newest token and the draft; draw until a token differs from the draft; `observe`
    and `follow`. Steps without a draft are observed too, as the baseline.
    """

    def __init__(self, drafters: Sequence[Drafter], limit: int) -> None:
        self._limit = limit
        self._drafters = tuple(drafters)
        self._lengths = tuple(DraftLength(limit) for _ in drafters)
        self._drafted_by: int | None = None
        self._proposed = 0

    @property
    def gains(self) -> tuple[float, ...]:
        """Estimated speedup of each drafter; 1 for one that is off."""
        return tuple(length.gain if length.is_on else 1.0 for length in self._lengths)

    def propose(self, request_id: int, tokens: Sequence[int], limit: int) -> list[int]:
        """Draft at most `limit` tokens after `tokens`: the room left in the batch, the cache and the answer."""
        for number in sorted(range(len(self._drafters)), key=self._priority, reverse=True):
            wanted = min(self._lengths[number].choose(), limit, self._limit)
            drafted = self._drafters[number].propose(request_id, tokens, wanted) if wanted > 0 else []
            if drafted:
                self._drafted_by, self._proposed = number, len(drafted)
                return drafted
        self._drafted_by, self._proposed = None, 0
        return []

    def observe(self, accepted: int, seconds: float) -> None:
        """Record a step of one sequence: how many tokens of the last draft were accepted, and the step's seconds.

        A step that follows no proposal counts as one without a draft.
        """
        for number, length in enumerate(self._lengths):
            if self._drafted_by in (None, number):
                length.observe(self._proposed, accepted, seconds)
            else:
                length.skip_step()
        self._drafted_by, self._proposed = None, 0

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Note that the newest of a request's `length` tokens came from the logits at `index` of the last batch."""
        for drafter in self._drafters:
            drafter.follow(request_id, sequence_id, length, index)

    def _priority(self, number: int) -> tuple[bool, float]:
        length = self._lengths[number]
        return length.is_on_trial, length.gain
