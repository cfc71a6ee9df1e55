"""Copies of the sliding layers' windows, kept within a budget of bytes. Pure: what a copy holds is opaque here.

The global layers keep every position, the sliding ones only a window (and what was not overwritten yet). A sequence can
therefore go back to an earlier position only if the window before it is still there, or if a copy of it was kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

State: TypeAlias = memoryview  # bytes of llama_state_seq_get_data_ext


def is_window_whole(first: int, length: int, window: int) -> bool:
    """Whether cells from position `first` on suffice to go on at position `length`; `first` is -1 for no cells.

    The query at i sees the keys in i - window < j <= i (llama-hparams.h, is_masked_swa), so the oldest one that the
    next token needs is length - window + 1.
    """
    return length == 0 or 0 <= first <= max(0, length - window + 1)


@dataclass(slots=True, eq=False)
class Checkpoint:
    """The sliding layers' cells [first, length) of a sequence; `state` is None once it was dropped for want of room."""

    length: int
    first: int
    state: State | None
    used: int = 0  # the store's clock

    def reusable(self, prefix: int, window: int) -> int:
        """Tokens of a common prefix that can be taken over with this copy; 0 if none."""
        length = min(self.length, prefix)
        return length if self.state is not None and is_window_whole(self.first, length, window) else 0


@dataclass(slots=True)
class CheckpointStore:
    """All checkpoints of a context; the least recently used goes first when the budget is spent."""

    budget_bytes: int
    _kept: list[Checkpoint] = field(default_factory=list)
    _clock: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes held."""
        return sum(each.state.nbytes for each in self._kept if each.state is not None)

    def fits(self, size_bytes: int) -> bool:
        """Whether a checkpoint of this size can be kept at all."""
        return size_bytes <= self.budget_bytes

    def add(self, checkpoint: Checkpoint) -> bool:
        """Keep a checkpoint, dropping others for it; False (and it is dropped itself) if it alone is too large."""
        assert checkpoint.state is not None
        if not self.fits(checkpoint.state.nbytes):
            checkpoint.state = None
            return False
        self.touch(checkpoint)
        self._kept.append(checkpoint)
        while self.size_bytes > self.budget_bytes:
            self._drop(min(self._kept, key=lambda each: each.used))
        return True

    def touch(self, checkpoint: Checkpoint) -> None:
        """Note that a checkpoint was of use."""
        self._clock += 1
        checkpoint.used = self._clock

    def keep_only(self, wanted: Iterable[Checkpoint]) -> None:
        """Drop what no sequence refers to any more."""
        identities = {id(each) for each in wanted}
        for checkpoint in [each for each in self._kept if id(each) not in identities]:
            self._drop(checkpoint)

    def _drop(self, checkpoint: Checkpoint) -> None:
        checkpoint.state = None
        self._kept.remove(checkpoint)
