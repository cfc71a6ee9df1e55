"""The prompt cache: which computed tokens a request reuses, and in which sequence it runs. Pure: no llama.cpp.

Every sequence of the unified cache is kept until its place is needed. A request reuses the longest prefix that it
shares with any of them, running ones included: in place if it continues an idle conversation, otherwise as a copy,
which only tags cells in the global layers (llama_memory_seq_cp). The sliding layers' cells must not be shared:
llama.cpp never overwrites a cell of two sequences, however old (llama-kv-cache.cpp, find_slot), so their cache would
fill up. A copy therefore gets its own window at once, from a saved state.
"""

import itertools
from collections.abc import Iterable, Sequence

from g4run.engine.kv_cache.cached_sequence import CachedSequence, CacheSize, KvCache, Reuse
from g4run.engine.kv_cache.host_cache import HostCache, StoredSequence, common_prefix
from g4run.engine.kv_cache.swa_checkpoints import Checkpoint, CheckpointStore, State, is_window_whole

# A prompt may end with tokens that the conversation's next prompt lacks (an empty thought) and still be continued.
_PROMPT_END_TOKENS = 16
_MIN_COPY_TOKENS = 32  # computing fewer tokens is no slower than copying a window, or a state to host memory and back


class PromptCache:
    """The sequences of one context, live and stored."""

    def __init__(self, kv_cache: KvCache, size: CacheSize) -> None:
        self._kv_cache = kv_cache
        self.size = size
        self._sequences: dict[int, CachedSequence] = {}
        self.checkpoints = CheckpointStore(size.checkpoint_bytes)
        self._counter = itertools.count(1)
        self._known_free = 0
        self.host_cache = HostCache(size.ram_cache_bytes)

    @property
    def sequences(self) -> tuple[CachedSequence, ...]:
        """All live sequences, running and idle."""
        return tuple(self._sequences.values())

    def occupied_cells(self, sequences: Iterable[tuple[CachedSequence, int]]) -> int:
        """Count the global layers' cells of these sequences, each up to a length; shared cells count once."""
        runs: dict[int, tuple[int, int]] = {}
        for sequence, length in sequences:
            ends = [*(first for first, _ in sequence.cell_runs[1:]), length]
            for (first, run), end in zip(sequence.cell_runs, ends, strict=False):  # no runs if nothing is computed
                runs[run] = (first, max(min(end, length), runs.get(run, (first, first))[1]))
        return sum(end - first for first, end in runs.values())

    @property
    def free_cells(self) -> int:
        """Number of tokens that one decode call is sure to fit."""
        return min(self._free_global_cells, self._free_sliding_cells)

    def has_room(self, cells: int) -> bool:
        """Return whether one decode call can add this many tokens; counts cells only when they may be short."""
        if self._known_free < cells:
            self._known_free = self.free_cells
        return self._known_free >= cells

    def record_computed(self, tokens: int) -> None:
        """Record the tokens that a decode call added."""
        self._known_free -= tokens

    def find(self, tokens: Sequence[int]) -> Reuse:
        """Find the most that a prompt can reuse; its last token always remains to be computed."""
        limit = len(tokens) - 1
        live = [self._match(each, tokens, limit) for each in self.sequences]
        best = max(live, key=_preference, default=Reuse())
        running = [(each, each.computed) for each in self.sequences if each.is_running]
        room = self.size.cells - self.occupied_cells(running)
        stored = [self._match(each, tokens, limit) for each in self.host_cache if len(each.tokens) <= room]
        best_stored = max(stored, key=_preference, default=Reuse())
        return best_stored if best_stored.length >= best.length + _MIN_COPY_TOKENS else best

    def start(self, tokens: list[int], prompt_length: int, reuse: Reuse) -> CachedSequence:
        """Assign a sequence to a request and apply the reuse; at least one sequence must not be running."""
        if reuse.live is not None and self._can_continue_in_place(reuse, reuse.live):
            sequence = self._rewind(reuse.live, reuse)
        else:
            reuse = reuse if reuse.length >= _MIN_COPY_TOKENS else Reuse()
            sequence = self._fill(self._take_free_sequence(reuse), reuse)
        sequence.tokens, sequence.prompt_length, sequence.is_running = tokens, prompt_length, True
        sequence.cell_runs.append((sequence.computed, next(self._counter)))
        self._known_free = 0  # the copy of a window takes cells
        if reuse.checkpoint is not None:
            self.checkpoints.touch(reuse.checkpoint)
        self._drop_unused_checkpoints()
        return sequence

    def take_checkpoint(self, sequence: CachedSequence) -> None:
        """Copy the sliding layers at the sequence's current length, if the copy fits the budget."""
        if not self.checkpoints.fits(self._kv_cache.size_bytes(sequence.sequence_id, whole=False)):
            return
        sequence.checkpoints = _valid_checkpoints(sequence.checkpoints, sequence.computed)
        if all(each.length != sequence.computed for each in sequence.checkpoints):
            self._keep_checkpoint(sequence, self._kv_cache.save(sequence.sequence_id, whole=False))

    def release(self, sequence: CachedSequence) -> None:
        """Keep the sequence of a request that has ended for the next one."""
        sequence.tokens, sequence.is_running = sequence.tokens[: sequence.computed], False
        sequence.last_used = next(self._counter)
        if not sequence.computed:
            self.drop(sequence)

    def drop(self, sequence: CachedSequence) -> None:
        """Free a sequence's cells."""
        self._kv_cache.truncate(sequence.sequence_id, 0)
        del self._sequences[sequence.sequence_id]
        self._drop_unused_checkpoints()

    def evict_oldest(self, keep: CachedSequence | None = None) -> bool:
        """Evict the least recently used idle sequence but `keep` to the host cache; False if there is none."""
        idle = [each for each in self.sequences if not each.is_running and each is not keep]
        if not idle:
            return False
        oldest = min(idle, key=lambda each: each.last_used)
        self._copy_to_host_cache(oldest)
        self.drop(oldest)
        return True

    def clear(self) -> None:
        """Drop all live sequences; the host cache stays."""
        for sequence in self.sequences:
            self.drop(sequence)

    def add_restored(self, stored: StoredSequence) -> None:
        """Add a sequence read from a state file to the host cache."""
        for checkpoint in stored.checkpoints:
            self.checkpoints.add(checkpoint)
        self.host_cache.put(stored)

    def snapshot(self, tokens: Sequence[int]) -> StoredSequence | None:
        """Return the sequence with the longest common prefix in stored form; None if nothing matches."""
        found = (*self.sequences, *self.host_cache)
        best = max(found, key=lambda each: _common_prefix(each, tokens), default=None)
        if best is None or not _common_prefix(best, tokens):
            return None
        return self._to_stored(best) if isinstance(best, CachedSequence) else best

    @property
    def _free_global_cells(self) -> int:
        return self.size.cells - self.occupied_cells((each, each.computed) for each in self.sequences)

    @property
    def _free_sliding_cells(self) -> int:
        """Cells that are empty or outside the window of their sequence's next token."""
        return self.size.sliding_cells - sum(min(each.computed, self.size.window - 1) for each in self.sequences)

    def _match(self, sequence: CachedSequence | StoredSequence, tokens: Sequence[int], limit: int) -> Reuse:
        """Return what a sequence has in common with a prompt, as far as its window or a checkpoint makes it usable."""
        prefix, window = _common_prefix(sequence, tokens), self.size.window
        if isinstance(sequence, StoredSequence):
            first = sequence.first
        else:
            first = self._kv_cache.first_position(sequence.sequence_id)
        length, checkpoint = min(prefix, limit), None
        if not is_window_whole(first, length, window):
            checkpoint = max(sequence.checkpoints, key=lambda each: each.reusable(length, window), default=None)
            length = checkpoint.reusable(length, window) if checkpoint else 0
        if not length:
            return Reuse()
        if isinstance(sequence, StoredSequence):
            return Reuse(length, prefix, stored=sequence, checkpoint=checkpoint)
        return Reuse(length, prefix, live=sequence, checkpoint=checkpoint)

    def _can_continue_in_place(self, reuse: Reuse, live: CachedSequence) -> bool:
        if live.is_running:
            return False
        others = [each for each in self.sequences if not each.is_running and each is not live]
        is_only_choice = len(self._sequences) == self.size.sequences and not others
        if is_only_choice and live.computed - reuse.prefix >= _MIN_COPY_TOKENS:
            self._copy_to_host_cache(live)
        return is_only_choice or _is_continued(reuse.prefix, live.prompt_length)

    def _take_free_sequence(self, reuse: Reuse) -> CachedSequence:
        """Return an empty sequence, without evicting the one to be reused."""
        if reuse.stored is not None and _is_continued(reuse.prefix, reuse.stored.prompt_length):
            self.host_cache.take(reuse.stored)
        if len(self._sequences) == self.size.sequences:
            self.evict_oldest(keep=reuse.live)
        free = next(number for number in range(self.size.sequences) if number not in self._sequences)
        self._sequences[free] = CachedSequence(free, [], 0)
        return self._sequences[free]

    def _fill(self, sequence: CachedSequence, reuse: Reuse) -> CachedSequence:
        if reuse.live is not None:
            return self._copy(reuse.live, sequence, reuse)
        if reuse.stored is not None:
            return self._restore(reuse.stored, sequence, reuse)
        return sequence

    def _rewind(self, sequence: CachedSequence, reuse: Reuse) -> CachedSequence:
        self._kv_cache.truncate(sequence.sequence_id, reuse.length)
        sequence.computed = reuse.length
        sequence.cell_runs = _cut_cell_runs(sequence.cell_runs, reuse.length)
        sequence.checkpoints = _valid_checkpoints(sequence.checkpoints, reuse.prefix)
        checkpoint = reuse.checkpoint
        return sequence if checkpoint is None else self._set_window(sequence, checkpoint.state)

    def _copy(self, source: CachedSequence, target: CachedSequence, reuse: Reuse) -> CachedSequence:
        self._kv_cache.copy(source.sequence_id, target.sequence_id, reuse.length)
        target.computed = reuse.length
        target.cell_runs = _cut_cell_runs(source.cell_runs, reuse.length)
        target.checkpoints = _valid_checkpoints(source.checkpoints, reuse.prefix)
        if reuse.checkpoint is not None:
            return self._set_window(target, reuse.checkpoint.state)
        state = self._kv_cache.save(target.sequence_id, whole=False)
        self._keep_checkpoint(target, state)  # the state is saved anyway, and others may fork here too
        return self._set_window(target, state)

    def _restore(self, stored: StoredSequence, target: CachedSequence, reuse: Reuse) -> CachedSequence:
        length = len(stored.tokens)
        while self._free_global_cells < length or self._free_sliding_cells < min(length, self.size.window):
            if not self.evict_oldest():
                break
        if not self._kv_cache.restore(target.sequence_id, stored.state, whole=True):
            return self._reset(target)
        target.computed = len(stored.tokens)
        target.cell_runs = [(0, next(self._counter))]
        target.checkpoints = list(stored.checkpoints)
        return self._rewind(target, reuse)

    def _set_window(self, sequence: CachedSequence, state: State | None) -> CachedSequence:
        if state is None or not self._kv_cache.restore(sequence.sequence_id, state, whole=False):
            return self._reset(sequence)
        self._kv_cache.truncate(sequence.sequence_id, sequence.computed)  # a checkpoint may be one token longer
        return sequence

    def _reset(self, sequence: CachedSequence) -> CachedSequence:
        self._kv_cache.truncate(sequence.sequence_id, 0)
        sequence.computed, sequence.cell_runs = 0, []
        return sequence

    def _keep_checkpoint(self, sequence: CachedSequence, state: State) -> None:
        checkpoint = Checkpoint(sequence.computed, self._first_saved_position(sequence), state)
        if self.checkpoints.add(checkpoint):
            sequence.checkpoints.append(checkpoint)

    def _first_saved_position(self, sequence: CachedSequence) -> int:
        """Return the oldest position in a saved sliding state: llama.cpp omits what the last token cannot see."""
        first = self._kv_cache.first_position(sequence.sequence_id)
        return max(first, sequence.computed - self.size.window, 0)

    def _copy_to_host_cache(self, sequence: CachedSequence) -> None:
        if sequence.computed < _MIN_COPY_TOKENS or self.host_cache.covers(sequence.tokens[: sequence.computed]):
            return
        if self._kv_cache.size_bytes(sequence.sequence_id, whole=True) <= self.host_cache.budget_bytes:
            self.host_cache.add(self._to_stored(sequence))

    def _to_stored(self, sequence: CachedSequence) -> StoredSequence:
        state = self._kv_cache.save(sequence.sequence_id, whole=True)
        tokens = sequence.tokens[: sequence.computed]
        first = self._first_saved_position(sequence)
        return StoredSequence(tokens, sequence.prompt_length, first, state, tuple(sequence.checkpoints))

    def _drop_unused_checkpoints(self) -> None:
        kept = (checkpoint for each in (*self.sequences, *self.host_cache) for checkpoint in each.checkpoints)
        self.checkpoints.keep_only(kept)


def _common_prefix(sequence: CachedSequence | StoredSequence, tokens: Sequence[int]) -> int:
    """Return how many computed tokens a sequence has in common with a prompt."""
    prefix = common_prefix(sequence.tokens, tokens)
    return min(prefix, sequence.computed) if isinstance(sequence, CachedSequence) else prefix


def _preference(reuse: Reuse) -> tuple[int, bool, bool, int]:
    """Rank by tokens, then idle over running, an intact window over a checkpoint, and the most recently used."""
    live = reuse.live
    is_idle = live is not None and not live.is_running
    return reuse.length, is_idle, reuse.checkpoint is None, live.last_used if live else 0


def _is_continued(prefix: int, prompt_length: int) -> bool:
    return prefix >= prompt_length - min(_PROMPT_END_TOKENS, prompt_length // 4)


def _valid_checkpoints(checkpoints: Iterable[Checkpoint], prefix: int) -> list[Checkpoint]:
    return [each for each in checkpoints if each.state is not None and each.length <= prefix]


def _cut_cell_runs(cell_runs: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    return [run for run in cell_runs if run[0] < length]
