"""Host cache: whole sequences evicted from the KV cache, kept in host memory within a budget. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from g4run.engine.kv_cache.swa_checkpoints import Checkpoint, State

_CHUNK = 256  # tokens compared at a time: list slices compare in C


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the common prefix of two sequences."""
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and one[start : start + _CHUNK] == other[start : start + _CHUNK]:
        start += _CHUNK
    start = min(start, shorter)
    while start < shorter and one[start] == other[start]:
        start += 1
    return start


@dataclass(frozen=True, slots=True, eq=False)
class StoredSequence:
    """A sequence's tokens, its state of all layers, and its checkpoints; `first` is its oldest sliding position."""

    tokens: list[int]
    prompt_length: int
    first: int
    state: State
    checkpoints: tuple[Checkpoint, ...] = ()


@dataclass(slots=True)
class HostCache:
    """Stored sequences, least recently used first."""

    budget_bytes: int
    _stored: list[StoredSequence] = field(default_factory=list)

    def __iter__(self) -> Iterator[StoredSequence]:
        """Iterate over a copy, least recently used first."""
        return iter(tuple(self._stored))

    @property
    def size_bytes(self) -> int:
        """Total size of the states."""
        return sum(each.state.nbytes for each in self._stored)

    def covers(self, tokens: Sequence[int]) -> bool:
        """Return whether a stored sequence begins with all of these tokens."""
        return any(_starts_with(each.tokens, tokens) for each in self._stored)

    def add(self, stored: StoredSequence) -> None:
        """Store a sequence that fits the budget; drops its own prefixes, then the least recently used sequences."""
        self.put(stored)
        while self.size_bytes > self.budget_bytes:
            self._stored.pop(0)

    def put(self, stored: StoredSequence) -> None:
        """Store a sequence regardless of the budget: you asked to restore it, and the next prompt takes it."""
        self._stored = [each for each in self._stored if not _starts_with(stored.tokens, each.tokens)] + [stored]

    def take(self, stored: StoredSequence) -> None:
        """Remove a sequence that goes back into the KV cache."""
        self._stored.remove(stored)


def _starts_with(tokens: Sequence[int], prefix: Sequence[int]) -> bool:
    return common_prefix(tokens, prefix) == len(prefix)
