"""Speculation as the generator uses it: which drafter guesses, how far, and whether at all."""

from collections.abc import Sequence

from g4run.engine.speculation.drafter import Drafter
from g4run.engine.speculation.lengths import DraftLength


class Speculator:
    """Guesses for the one sequence that generates; one that is on trial is asked first, then the one that gains most.

    A step is: `propose`; decode the newest token and the guesses; draw until a token differs from its guess; `observe`
    and `follow`. A step without guesses is observed as well: it is what drafting is compared with.
    """

    def __init__(self, drafters: Sequence[Drafter], most: int) -> None:
        self._most = most
        self._drafters = tuple(drafters)
        self._lengths = tuple(DraftLength(most) for _ in drafters)
        self._drafted_by: int | None = None
        self._proposed = 0

    @property
    def acceptances(self) -> tuple[float, ...]:
        """Each drafter's estimated acceptance, for reports."""
        return tuple(length.acceptance for length in self._lengths)

    @property
    def gains(self) -> tuple[float, ...]:
        """Each drafter's estimated gain in tokens per second, 1 where it is off, for reports."""
        return tuple(length.gain if length.is_on else 1.0 for length in self._lengths)

    def propose(self, request_id: int, tokens: Sequence[int], most: int) -> list[int]:
        """Guesses for what follows `tokens`, at most `most`: the room in the batch, the cache and the answer."""
        for number in sorted(range(len(self._drafters)), key=self._promise, reverse=True):
            wanted = min(self._lengths[number].choose(), most, self._most)
            drafted = self._drafters[number].propose(request_id, tokens, wanted) if wanted > 0 else []
            if drafted:
                self._drafted_by, self._proposed = number, len(drafted)
                return drafted
        self._drafted_by, self._proposed = None, 0
        return []

    def observe(self, accepted: int, seconds: float) -> None:
        """Take in a step of one sequence: how many guesses of the last `propose` were right, and what all of it took.

        A step before which nothing was proposed counts as one without guesses.
        """
        for number, length in enumerate(self._lengths):
            if self._drafted_by in (None, number):
                length.observe(self._proposed, accepted, seconds)
            else:
                length.pass_by()
        self._drafted_by, self._proposed = None, 0

    def follow(self, request_id: int, sequence_id: int, length: int, index: int) -> None:
        """Say where the newest of a request's `length` tokens came from: the logits at `index` of the last batch."""
        for drafter in self._drafters:
            drafter.follow(request_id, sequence_id, length, index)

    def close(self) -> None:
        """Free the drafters."""
        for drafter in self._drafters:
            drafter.close()

    def _promise(self, number: int) -> tuple[bool, float]:
        length = self._lengths[number]
        return length.is_on_trial, length.gain
