"""What the prompt cache is made of: sequences, what a request takes over of them, and the memory that they lie in."""

from dataclasses import dataclass, field
from typing import Protocol

from g4run.engine.kv_cache.host_cache import StoredSequence
from g4run.engine.kv_cache.swa_checkpoints import Checkpoint, State


class Memory(Protocol):
    """The key-value cache; in the program llama.Context, in tests a model of it. Lengths and positions in tokens."""

    def first_position(self, sequence_id: int) -> int:
        """Oldest position in the sliding layers; -1 if there is none."""

    def truncate(self, sequence_id: int, length: int) -> None:
        """Free the cells from position `length` on."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Let an empty sequence share the first `length` tokens of another."""

    def size_bytes(self, sequence_id: int, *, whole: bool) -> int:
        """Size of the state that `save` would give."""

    def save(self, sequence_id: int, *, whole: bool) -> State:
        """State of a sequence, of all layers or of the sliding ones, whose window alone is in it."""

    def restore(self, sequence_id: int, state: State, *, whole: bool) -> bool:
        """Put a state in the place of what those layers hold of the sequence; False if there are no cells for it."""


@dataclass(slots=True, eq=False)
class CachedSequence:
    """One sequence of the cache; the first `computed` of its tokens have cells. A running one has its request's list.

    `owners` says which cells are shared: (position from which on, number of the run of cells) in order.
    """

    sequence_id: int
    tokens: list[int]
    prompt_length: int
    computed: int = 0
    is_running: bool = True
    used: int = 0
    owners: list[tuple[int, int]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a request can take over: `length` tokens of a sequence here or in RAM, by a checkpoint where one is needed.

    `prefix` is how many tokens are the same, reusable or not.
    """

    length: int = 0
    prefix: int = 0
    live: CachedSequence | None = None
    stored: StoredSequence | None = None
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class CacheSize:
    """Cells of the global and of the sliding layers, their window, and the budgets of copies in RAM."""

    sequences: int
    cells: int
    sliding_cells: int
    window: int
    checkpoint_bytes: int
    ram_cache_bytes: int


def cut_owners(owners: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Runs of cells of a sequence that is cut to a length."""
    return [owner for owner in owners if owner[0] < length]
