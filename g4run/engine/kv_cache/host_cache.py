"""Whole sequences that were moved out of the key-value cache, kept in memory within a budget. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from g4run.engine.kv_cache.swa_checkpoints import Checkpoint, State

_CHUNK = 256  # tokens compared at a time: list slices compare in C


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of tokens that two sequences begin with alike."""
    most = min(len(one), len(other))
    start = 0
    while start < most and one[start : start + _CHUNK] == other[start : start + _CHUNK]:
        start += _CHUNK
    start = min(start, most)
    while start < most and one[start] == other[start]:
        start += 1
    return start


@dataclass(frozen=True, slots=True, eq=False)
class StoredSequence:
    """A sequence's tokens, its state in all layers, and its checkpoints; its sliding cells begin at `first`."""

    tokens: list[int]
    prompt_length: int
    first: int
    state: State
    checkpoints: tuple[Checkpoint, ...] = ()


@dataclass(slots=True)
class RamCache:
    """Stored sequences, least recently used first."""

    budget_bytes: int
    _stored: list[StoredSequence] = field(default_factory=list)

    def __iter__(self) -> Iterator[StoredSequence]:
        """What is stored, least recently used first."""
        return iter(tuple(self._stored))

    @property
    def size_bytes(self) -> int:
        """Bytes of the states held."""
        return sum(each.state.nbytes for each in self._stored)

    def covers(self, tokens: Sequence[int]) -> bool:
        """Whether something stored begins with all of these tokens."""
        return any(common_prefix(each.tokens, tokens) == len(tokens) for each in self._stored)

    def add(self, stored: StoredSequence) -> None:
        """Store a sequence that is within the budget, dropping its own beginnings, then the least recently used."""
        self.put(stored)
        while self.size_bytes > self.budget_bytes:
            self._stored.pop(0)

    def put(self, stored: StoredSequence) -> None:
        """Store a sequence whatever the budget: a person asked for it, and the next prompt will take it out."""
        self._stored = [each for each in self._stored if not _begins(stored.tokens, each.tokens)] + [stored]

    def take(self, stored: StoredSequence) -> None:
        """Remove what goes back into the key-value cache."""
        self._stored.remove(stored)

    def clear(self) -> None:
        """Drop everything."""
        self._stored.clear()


def _begins(tokens: Sequence[int], beginning: Sequence[int]) -> bool:
    return common_prefix(tokens, beginning) == len(beginning)
