"""The prompt cache's values: cached sequences, what a request can reuse, and the interface of the KV cache."""

from dataclasses import dataclass, field
from typing import Protocol

from g4run.engine.kv_cache.host_cache import StoredSequence
from g4run.engine.kv_cache.swa_checkpoints import Checkpoint, State


class KvCache(Protocol):
    """The KV cache: llama.Context, or a simulation in tests. Lengths and positions are in tokens."""

    def first_position(self, sequence_id: int) -> int:
        """Return the oldest position in the sliding layers; -1 if there is none."""

    def truncate(self, sequence_id: int, length: int) -> None:
        """Free the cells from position `length` on."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Share the cells of the first `length` tokens of `source` with the empty sequence `target`."""

    def size_bytes(self, sequence_id: int, *, whole: bool) -> int:
        """Return the size of the state that `save` would return."""

    def save(self, sequence_id: int, *, whole: bool) -> State:
        """Return a sequence's state: all layers, or the sliding ones only, limited to their window."""

    def restore(self, sequence_id: int, state: State, *, whole: bool) -> bool:
        """Replace what those layers hold of the sequence with a state; False if there are too few cells."""


@dataclass(slots=True, eq=False)
class CachedSequence:
    """One sequence of the cache; the first `computed` of its tokens have cells.

    While it runs, `tokens` is the request's own list. `cell_runs` tells which cells are shared: pairs of a first
    position and the id of a run of cells, in order.
    """

    sequence_id: int
    tokens: list[int]
    prompt_length: int
    computed: int = 0
    is_running: bool = True
    last_used: int = 0
    cell_runs: list[tuple[int, int]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a request can reuse: `length` tokens of a live or stored sequence, with a checkpoint if one is needed.

    `prefix` is the length of the common prefix, reusable or not.
    """

    length: int = 0
    prefix: int = 0
    live: CachedSequence | None = None
    stored: StoredSequence | None = None
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class CacheSize:
    """Cells of the global and the sliding layers, the sliding window, and the budgets of copies in host memory."""

    sequences: int
    cells: int
    sliding_cells: int
    window: int
    checkpoint_bytes: int
    ram_cache_bytes: int
