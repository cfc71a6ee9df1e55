"""What can be reused of what was computed before, and in which sequence a request goes on. Pure: no llama.cpp.

Every sequence of the unified cache is kept until its place is wanted. A request takes over the longest beginning that
it has in common with any of them, running ones too: in place where it continues a kept conversation, else as a copy,
which in the global layers only marks cells (llama_memory_seq_cp). The sliding layers' cells must not be shared:
llama.cpp does not overwrite a cell of two sequences however old it is (llama-kv-cache.cpp, find_slot), so their cache
would fill up. A copy is therefore given its own window at once, through a saved state of it.
"""

import itertools
from collections.abc import Iterable, Sequence

from g4run.engine.kv_cache.cached_sequence import CachedSequence, CacheSize, Memory, Reuse, cut_owners
from g4run.engine.kv_cache.host_cache import RamCache, StoredSequence, common_prefix
from g4run.engine.kv_cache.swa_checkpoints import Checkpoint, CheckpointStore, State, is_window_whole

# A prompt may end with tokens that the next one of the same conversation lacks (an empty thought): still continued.
_PROMPT_END_TOKENS = 16
_WORTH_MOVING = 32  # tokens; computing fewer takes no longer than copying a window, or a state to RAM and back


class PromptCache:
    """Live state of all sequences of one context."""

    def __init__(self, memory: Memory, size: CacheSize) -> None:
        self._memory = memory
        self._size = size
        self._sequences: dict[int, CachedSequence] = {}
        self._checkpoints = CheckpointStore(size.checkpoint_bytes)
        self._numbers = itertools.count(1)
        self._surely_free = 0
        self.ram = RamCache(size.ram_cache_bytes)

    @property
    def sequences(self) -> tuple[CachedSequence, ...]:
        """All of them, running and kept."""
        return tuple(self._sequences.values())

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes that checkpoints hold."""
        return self._checkpoints.size_bytes

    def occupied(self, sequences: Iterable[tuple[CachedSequence, int]]) -> int:
        """Cells of the global layers that these sequences take, each up to a length; shared ones count once."""
        runs: dict[int, tuple[int, int]] = {}
        for sequence, length in sequences:
            ends = [*(first for first, _ in sequence.owners[1:]), length]
            for (first, run), end in zip(sequence.owners, ends, strict=False):  # no runs: nothing is computed yet
                runs[run] = (first, max(min(end, length), runs.get(run, (first, first))[1]))
        return sum(end - first for first, end in runs.values())

    @property
    def free_cells(self) -> int:
        """Tokens that one decode call can surely add."""
        return min(self._free_global_cells, self._free_sliding_cells)

    def has_room(self, cells: int) -> bool:
        """Whether one decode call can add so many tokens. The cells are counted only when they may have run short."""
        if self._surely_free < cells:
            self._surely_free = self.free_cells
        return self._surely_free >= cells

    def record_computed(self, tokens: int) -> None:
        """A decode call has added tokens."""
        self._surely_free -= tokens

    def find(self, tokens: Sequence[int]) -> Reuse:
        """The most that a prompt can take over; its last token is always left to compute."""
        most = len(tokens) - 1
        live = [self._reuse_live(each, tokens, most) for each in self.sequences]
        best = max(live, key=_preference, default=Reuse())
        room = self._size.cells - self.occupied((each, each.computed) for each in self.sequences if each.is_running)
        stored = [self._reuse_stored(each, tokens, most) for each in self.ram if len(each.tokens) <= room]
        best_stored = max(stored, key=_preference, default=Reuse())
        return best_stored if best_stored.length >= best.length + _WORTH_MOVING else best

    def start(self, tokens: list[int], prompt_length: int, reuse: Reuse) -> CachedSequence:
        """Give a request its sequence, with what it reuses. There must be one that does not run."""
        if reuse.live is not None and self._continues_in_place(reuse, reuse.live):
            sequence = self._rewind(reuse.live, reuse)
        else:
            reuse = reuse if reuse.length >= _WORTH_MOVING else Reuse()
            sequence = self._fill(self._vacate(reuse), reuse)
        sequence.tokens, sequence.prompt_length, sequence.is_running = tokens, prompt_length, True
        sequence.owners.append((sequence.computed, next(self._numbers)))
        self._surely_free = 0  # a window may have been copied
        if reuse.checkpoint is not None:
            self._checkpoints.touch(reuse.checkpoint)
        self._forget_checkpoints()
        return sequence

    def take_checkpoint(self, sequence: CachedSequence) -> None:
        """Keep a copy of the sliding layers at the sequence's present length, if there is room for one."""
        if not self._checkpoints.fits(self._memory.size_bytes(sequence.sequence_id, whole=False)):
            return
        sequence.checkpoints = _alive(sequence.checkpoints, sequence.computed)
        if all(each.length != sequence.computed for each in sequence.checkpoints):
            self._keep_checkpoint(sequence, self._memory.save(sequence.sequence_id, whole=False))

    def release(self, sequence: CachedSequence) -> None:
        """A request has ended: keep its sequence for the next one."""
        sequence.tokens, sequence.is_running = sequence.tokens[: sequence.computed], False
        sequence.used = next(self._numbers)
        if not sequence.computed:
            self.drop(sequence)

    def drop(self, sequence: CachedSequence) -> None:
        """Free a sequence."""
        self._memory.truncate(sequence.sequence_id, 0)
        del self._sequences[sequence.sequence_id]
        self._forget_checkpoints()

    def evict_oldest(self, keep: CachedSequence | None = None) -> bool:
        """Move the least recently used kept sequence to RAM, or drop it; False if there is none (but `keep`)."""
        idle = [each for each in self.sequences if not each.is_running and each is not keep]
        if not idle:
            return False
        oldest = min(idle, key=lambda each: each.used)
        self._store(oldest)
        self.drop(oldest)
        return True

    def clear(self) -> None:
        """Drop everything that is in cells; what is in RAM stays."""
        for sequence in self.sequences:
            self.drop(sequence)

    def take_in(self, stored: StoredSequence) -> None:
        """Keep a sequence in RAM that was saved earlier, for the next prompt that begins with its tokens."""
        for checkpoint in stored.checkpoints:
            self._checkpoints.add(checkpoint)
        self.ram.put(stored)

    def stored_form(self, tokens: Sequence[int]) -> StoredSequence | None:
        """What has most in common with these tokens, as it would be stored; None if nothing has anything."""
        kept = [each for each in self.sequences if each.computed]
        live = max(kept, key=lambda each: common_prefix(each.tokens[: each.computed], tokens), default=None)
        stored = max(self.ram, key=lambda each: common_prefix(each.tokens, tokens), default=None)
        live_length = common_prefix(live.tokens[: live.computed], tokens) if live else 0
        stored_length = common_prefix(stored.tokens, tokens) if stored else 0
        if live is not None and live_length >= max(1, stored_length):
            return self._saved(live)
        return stored if stored_length else None

    @property
    def _free_global_cells(self) -> int:
        return self._size.cells - self.occupied((each, each.computed) for each in self.sequences)

    @property
    def _free_sliding_cells(self) -> int:
        """Cells that are empty, or that their sequence's next token does not see."""
        return self._size.sliding_cells - sum(min(each.computed, self._size.window - 1) for each in self.sequences)

    def _reuse_live(self, sequence: CachedSequence, tokens: Sequence[int], most: int) -> Reuse:
        prefix = min(sequence.computed, common_prefix(sequence.tokens, tokens))
        first = self._memory.first_position(sequence.sequence_id)
        length, checkpoint = self._reusable(first, sequence.checkpoints, min(prefix, most))
        return Reuse(length, prefix, live=sequence, checkpoint=checkpoint) if length else Reuse()

    def _reuse_stored(self, stored: StoredSequence, tokens: Sequence[int], most: int) -> Reuse:
        prefix = common_prefix(stored.tokens, tokens)
        length, checkpoint = self._reusable(stored.first, stored.checkpoints, min(prefix, most))
        return Reuse(length, prefix, stored=stored, checkpoint=checkpoint) if length else Reuse()

    def _reusable(self, first: int, checkpoints: Sequence[Checkpoint], prefix: int) -> tuple[int, Checkpoint | None]:
        window = self._size.window
        if is_window_whole(first, prefix, window):
            return prefix, None
        best = max(checkpoints, key=lambda each: each.reusable(prefix, window), default=None)
        return (best.reusable(prefix, window), best) if best else (0, None)

    def _continues_in_place(self, reuse: Reuse, live: CachedSequence) -> bool:
        if live.is_running:
            return False
        others = [each for each in self.sequences if not each.is_running and each is not live]
        is_only_choice = len(self._sequences) == self._size.sequences and not others
        if is_only_choice and live.computed - reuse.prefix >= _WORTH_MOVING:
            self._store(live)
        return is_only_choice or _is_continued(reuse.prefix, live.prompt_length)

    def _vacate(self, reuse: Reuse) -> CachedSequence:
        """An empty sequence; what is to be reused is not moved out for it."""
        if reuse.stored is not None and _is_continued(reuse.prefix, reuse.stored.prompt_length):
            self.ram.take(reuse.stored)
        if len(self._sequences) == self._size.sequences:
            self.evict_oldest(keep=reuse.live)
        free = next(number for number in range(self._size.sequences) if number not in self._sequences)
        self._sequences[free] = CachedSequence(free, [], 0)
        return self._sequences[free]

    def _fill(self, sequence: CachedSequence, reuse: Reuse) -> CachedSequence:
        if reuse.live is not None:
            return self._copy(reuse.live, sequence, reuse)
        if reuse.stored is not None:
            return self._bring_back(reuse.stored, sequence, reuse)
        return sequence

    def _rewind(self, sequence: CachedSequence, reuse: Reuse) -> CachedSequence:
        self._memory.truncate(sequence.sequence_id, reuse.length)
        sequence.computed = reuse.length
        sequence.owners = cut_owners(sequence.owners, reuse.length)
        sequence.checkpoints = _alive(sequence.checkpoints, reuse.prefix)
        checkpoint = reuse.checkpoint
        return sequence if checkpoint is None else self._set_window(sequence, checkpoint.state)

    def _copy(self, source: CachedSequence, target: CachedSequence, reuse: Reuse) -> CachedSequence:
        self._memory.copy(source.sequence_id, target.sequence_id, reuse.length)
        target.computed = reuse.length
        target.owners = cut_owners(source.owners, reuse.length)
        target.checkpoints = _alive(source.checkpoints, reuse.prefix)
        if reuse.checkpoint is not None:
            return self._set_window(target, reuse.checkpoint.state)
        state = self._memory.save(target.sequence_id, whole=False)
        self._keep_checkpoint(target, state)  # it is there already, and others may fork here too
        return self._set_window(target, state)

    def _bring_back(self, stored: StoredSequence, target: CachedSequence, reuse: Reuse) -> CachedSequence:
        length = len(stored.tokens)
        while self._free_global_cells < length or self._free_sliding_cells < min(length, self._size.window):
            if not self.evict_oldest():
                break
        if not self._memory.restore(target.sequence_id, stored.state, whole=True):
            return self._start_over(target)
        target.computed = len(stored.tokens)
        target.owners = [(0, next(self._numbers))]
        target.checkpoints = list(stored.checkpoints)
        return self._rewind(target, reuse)

    def _set_window(self, sequence: CachedSequence, state: State | None) -> CachedSequence:
        if state is None or not self._memory.restore(sequence.sequence_id, state, whole=False):
            return self._start_over(sequence)
        self._memory.truncate(sequence.sequence_id, sequence.computed)  # a checkpoint may reach one token further
        return sequence

    def _start_over(self, sequence: CachedSequence) -> CachedSequence:
        self._memory.truncate(sequence.sequence_id, 0)
        sequence.computed, sequence.owners = 0, []
        return sequence

    def _keep_checkpoint(self, sequence: CachedSequence, state: State) -> None:
        checkpoint = Checkpoint(sequence.computed, self._first_saved(sequence), state)
        if self._checkpoints.add(checkpoint):
            sequence.checkpoints.append(checkpoint)

    def _first_saved(self, sequence: CachedSequence) -> int:
        """Oldest position in a state of the sliding layers: llama.cpp leaves out what its last token cannot see."""
        first = self._memory.first_position(sequence.sequence_id)
        return max(first, sequence.computed - self._size.window, 0)

    def _store(self, sequence: CachedSequence) -> None:
        if sequence.computed < _WORTH_MOVING or self.ram.covers(sequence.tokens[: sequence.computed]):
            return
        if self._memory.size_bytes(sequence.sequence_id, whole=True) <= self.ram.budget_bytes:
            self.ram.add(self._saved(sequence))

    def _saved(self, sequence: CachedSequence) -> StoredSequence:
        state = self._memory.save(sequence.sequence_id, whole=True)
        tokens = sequence.tokens[: sequence.computed]
        first = self._first_saved(sequence)
        return StoredSequence(tokens, sequence.prompt_length, first, state, tuple(sequence.checkpoints))

    def _forget_checkpoints(self) -> None:
        kept = (checkpoint for each in (*self.sequences, *self.ram) for checkpoint in each.checkpoints)
        self._checkpoints.keep_only(kept)


def _preference(reuse: Reuse) -> tuple[int, bool, bool, int]:
    """Most tokens first; then a kept sequence before a running one, a whole window before a checkpoint, the newest."""
    live = reuse.live
    return reuse.length, live is not None and not live.is_running, reuse.checkpoint is None, live.used if live else 0


def _is_continued(prefix: int, prompt_length: int) -> bool:
    return prefix >= prompt_length - min(_PROMPT_END_TOKENS, prompt_length // 4)


def _alive(checkpoints: Iterable[Checkpoint], prefix: int) -> list[Checkpoint]:
    return [each for each in checkpoints if each.state is not None and each.length <= prefix]
