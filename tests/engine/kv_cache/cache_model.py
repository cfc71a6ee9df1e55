"""A simulation of llama.cpp's unified cache with sliding layers that refuses to compute from wrong cells.

Cells are taken, overwritten, purged, shared and saved by the rules of llama-kv-cache.cpp (find_slot, apply_ubatch,
seq_cp, state_write, state_read). Instead of keys and values, a cell holds a hash of the tokens it was computed from.
"""

import json
from dataclasses import dataclass, field
from itertools import accumulate

from g4run.engine.kv_cache.cached_sequence import CacheSize
from g4run.engine.kv_cache.prompt_cache import PromptCache
from g4run.engine.kv_cache.swa_checkpoints import State
from g4run.engine.worker.request import Slice
from g4run.engine.worker.scheduler import Scheduler


@dataclass(slots=True)
class Cell:
    position: int
    prefix_hash: int  # of the tokens up to and including this position
    owners: set[int]


@dataclass(slots=True)
class Layers:
    """The cells of the global layers (window 0: never overwritten) or of the sliding layers."""

    size: int
    window: int
    cells: list[Cell] = field(default_factory=list)

    def of(self, sequence: int) -> list[Cell]:
        return [cell for cell in self.cells if sequence in cell.owners]

    def last(self, sequence: int) -> int:
        return max((cell.position for cell in self.of(sequence)), default=-1)

    def add(self, new: list[Cell]) -> bool:
        usable = [cell for cell in self.cells if self._can_be_overwritten(cell)]
        lacking = len(self.cells) + len(new) - self.size
        if lacking > len(usable):
            return False
        for cell in usable[: max(0, lacking)]:
            (owner,) = cell.owners
            self.remove(owner, 0, cell.position + 1)  # purged, so that no gap remains
        self.cells += new
        return True

    def remove(self, sequence: int, start: int, end: int) -> None:
        for cell in self.of(sequence):
            if start <= cell.position < end:
                cell.owners.discard(sequence)
        self.cells = [cell for cell in self.cells if cell.owners]

    def _can_be_overwritten(self, cell: Cell) -> bool:
        if not self.window or len(cell.owners) > 1:
            return False
        (owner,) = cell.owners
        return self.last(owner) + 1 - cell.position >= self.window


class CacheModel:
    """Stands in for llama.Context."""

    def __init__(self, cells: int, sliding_cells: int, window: int) -> None:
        self.base = Layers(cells, 0)
        self.sliding = Layers(sliding_cells, window)
        self.computed = 0  # tokens, in all decode calls

    def first_position(self, sequence_id: int) -> int:
        return min((cell.position for cell in self.sliding.of(sequence_id)), default=-1)

    def truncate(self, sequence_id: int, length: int) -> None:
        self.base.remove(sequence_id, length, 1 << 30)
        self.sliding.remove(sequence_id, length, 1 << 30)

    def copy(self, source: int, target: int, length: int) -> None:
        assert not self.base.of(target) and not self.sliding.of(target)
        for cell in (*self.base.of(source), *self.sliding.of(source)):
            if cell.position < length:
                cell.owners.add(target)

    def size_bytes(self, sequence_id: int, *, whole: bool) -> int:
        return self.save(sequence_id, whole=whole).nbytes

    def save(self, sequence_id: int, *, whole: bool) -> State:
        last = self.sliding.last(sequence_id)
        window = [cell for cell in self.sliding.of(sequence_id) if last - cell.position < self.sliding.window]
        parts = [self.base.of(sequence_id) if whole else [], window]
        return memoryview(json.dumps([[(cell.position, cell.prefix_hash) for cell in part] for part in parts]).encode())

    def restore(self, sequence_id: int, state: State, *, whole: bool) -> bool:
        base, sliding = json.loads(bytes(state))
        if whole and not self._replace(self.base, sequence_id, base):
            return False
        return self._replace(self.sliding, sequence_id, sliding)

    def decode(self, batch: list[Slice]) -> bool:
        """Compute a batch; False if there are too few cells. Every token must find exactly its own past."""
        new = {part.sequence_id: _cells(part) for part in batch}
        flat = [cell for cells in new.values() for cell in cells]
        if not self.base.add([Cell(cell.position, cell.prefix_hash, set(cell.owners)) for cell in flat]):
            return False
        if not self.sliding.add(flat):
            raise AssertionError("the sliding layers have no cell left")
        for part in batch:
            self._check(part)
        self.computed += len(flat)
        return True

    def _check(self, part: Slice) -> None:
        expected = list(enumerate(_prefix_hashes(part)))
        held = [(cell.position, cell.prefix_hash) for cell in self.base.of(part.sequence_id)]
        assert sorted(held) == expected
        seen = {(cell.position, cell.prefix_hash) for cell in self.sliding.of(part.sequence_id)}
        assert set(expected[max(0, part.position - self.sliding.window + 1) :]) <= seen

    def _replace(self, layers: Layers, sequence_id: int, cells: list[tuple[int, int]]) -> bool:
        layers.remove(sequence_id, 0, 1 << 30)
        return layers.add([Cell(position, prefix_hash, {sequence_id}) for position, prefix_hash in cells])


def _prefix_hashes(part: Slice) -> list[int]:
    """Return a hash of each prefix of what the sequence holds after this slice."""
    tokens = (*part.request.tokens[: part.position], *part.tokens)
    return list(accumulate(tokens, lambda before, token: hash((before, token)), initial=0))[1:]


def _cells(part: Slice) -> list[Cell]:
    prefix_hashes = _prefix_hashes(part)
    return [Cell(each, prefix_hashes[each], {part.sequence_id}) for each in range(part.position, len(prefix_hashes))]


@dataclass(slots=True)
class Setup:
    """A scheduler over the simulated cache; the sliding layers have as many cells as llama.cpp gives them."""

    sequences: int = 2
    cells: int = 64
    window: int = 8
    micro_batch: int = 8
    queue_length: int = 100
    checkpoint_bytes: int = 1 << 20
    ram_cache_bytes: int = 1 << 20

    def build(self) -> tuple[Scheduler, CacheModel, PromptCache]:
        sliding = min(self.cells, self.window * self.sequences + self.micro_batch)
        model = CacheModel(self.cells, sliding, self.window)
        size = CacheSize(self.sequences, self.cells, sliding, self.window, self.checkpoint_bytes, self.ram_cache_bytes)
        cache = PromptCache(model, size)
        return Scheduler(cache, self.micro_batch, self.queue_length), model, cache
