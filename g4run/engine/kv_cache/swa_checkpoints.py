"""SWA checkpoints: copies of the sliding layers' windows within a budget of bytes. Pure; a copy's content is opaque.

The global layers keep every position, the sliding ones only a window (and whatever has not been overwritten yet). A
sequence can therefore go back to an earlier position only if the window before it is still there or was copied.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

State: TypeAlias = memoryview  # bytes of llama_state_seq_get_data_ext


def is_window_whole(first: int, length: int, window: int) -> bool:
    """Return whether cells from position `first` are enough to continue at `length`; `first` is -1 for no cells.

    The query at i sees the keys in i - window < j <= i (llama-hparams.h, is_masked_swa), so the oldest key that the
    next token needs is length - window + 1.
    """
    return length == 0 or 0 <= first <= max(0, length - window + 1)


@dataclass(slots=True, eq=False)
class Checkpoint:
    """A copy of the sliding layers' cells [first, length) of a sequence; `state` is None once it was dropped."""

    length: int
    first: int
    state: State | None
    last_used: int = 0  # the store's clock

    def reusable(self, prefix: int, window: int) -> int:
        """Return how many tokens of a common prefix this copy makes reusable."""
        length = min(self.length, prefix)
        return length if self.state is not None and is_window_whole(self.first, length, window) else 0


@dataclass(slots=True)
class CheckpointStore:
    """All checkpoints of a context; drops the least recently used ones when over budget."""

    budget_bytes: int
    _checkpoints: list[Checkpoint] = field(default_factory=list)
    _clock: int = 0

    @property
    def size_bytes(self) -> int:
        """Total size of the checkpoints."""
        return sum(each.state.nbytes for each in self._checkpoints if each.state is not None)

    def fits(self, size_bytes: int) -> bool:
        """Return whether a checkpoint of this size can be kept at all."""
        return size_bytes <= self.budget_bytes

    def add(self, checkpoint: Checkpoint) -> bool:
        """Add a checkpoint and drop others to fit; if it is too large by itself, drop it and return False."""
        assert checkpoint.state is not None
        if not self.fits(checkpoint.state.nbytes):
            checkpoint.state = None
            return False
        self.touch(checkpoint)
        self._checkpoints.append(checkpoint)
        while self.size_bytes > self.budget_bytes:
            self._drop(min(self._checkpoints, key=lambda each: each.last_used))
        return True

    def touch(self, checkpoint: Checkpoint) -> None:
        """Mark a checkpoint as used."""
        self._clock += 1
        checkpoint.last_used = self._clock

    def keep_only(self, wanted: Iterable[Checkpoint]) -> None:
        """Drop all checkpoints but these."""
        identities = {id(each) for each in wanted}
        for checkpoint in [each for each in self._checkpoints if id(each) not in identities]:
            self._drop(checkpoint)

    def _drop(self, checkpoint: Checkpoint) -> None:
        checkpoint.state = None
        self._checkpoints.remove(checkpoint)
