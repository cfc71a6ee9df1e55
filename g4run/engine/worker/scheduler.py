"""Chooses the tokens of the next decode call. Pure: no llama.cpp, no clock.

Generating requests come first, one token each (plus a draft if only one runs); prompts fill the rest of the
micro-batch. The cache is unified: only occupied cells count, and a shared prefix counts once. When it is full, idle
sequences are evicted first; then the youngest request is preempted until another one ends.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from g4run.engine.kv_cache.cached_sequence import CachedSequence, Reuse
from g4run.engine.kv_cache.host_cache import common_prefix
from g4run.engine.kv_cache.prompt_cache import PromptCache
from g4run.engine.worker.request import Request, Slice, is_worth_a_checkpoint, next_slice, tokens_until_pause

_MIN_SHARED_TOKENS = 32  # shared tokens that make waiting worthwhile; the first few of every chat are the same
_HEADROOM = 32  # cells per running request that a new one must leave free, or it would soon be preempted


class Scheduler:
    """The requests of one context, `waiting` in order of admission and `running`, oldest first.

    `prompt_limit` bounds prompt tokens per step while other requests generate.
    """

    def __init__(self, cache: PromptCache, micro_batch: int, queue_length: int) -> None:
        if not 0 < cache.size.sequences <= micro_batch:
            raise ValueError(f"{cache.size.sequences} sequences in micro-batches of {micro_batch} tokens")
        self.prompt_limit = micro_batch
        self._cache = cache
        self._sequences = cache.size.sequences
        self._context_length = cache.size.cells
        self._micro_batch = micro_batch
        self._queue_length = queue_length
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self._may_admit = False  # whether anything has changed since the last admission

    @property
    def is_idle(self) -> bool:
        """Whether no request runs or waits."""
        return not self.running and not self.waiting

    @property
    def only_generating_request(self) -> Request | None:
        """The generating request if no other request runs or waits."""
        is_alone = len(self.running) == 1 and not self.waiting
        return self.running[0] if is_alone and self.running[0].is_generating else None

    def submit(self, request: Request) -> bool:
        """Queue a request, whose prompt leaves room for a token; False if the queue is full."""
        if len(self.waiting) >= self._queue_length + self._sequences - len(self.running):
            return False
        self.waiting.append(request)
        self._may_admit = True
        return True

    def admit(self) -> list[Request]:
        """Start waiting requests in order while there is room, and apply what they reuse.

        A request whose prefix is being computed for another one waits for it, and its place is reserved.
        """
        admitted: list[Request] = []
        on_hold = 0
        waiting = tuple(self.waiting) if self._may_admit or not self.running else ()
        self._may_admit = False
        for request in waiting:
            if len(self.running) + on_hold >= self._sequences:
                break
            reuse = self._cache.find(request.tokens)
            if self._waits_for_prefix(request, reuse):
                on_hold += 1
            elif self._fits(request, reuse):
                admitted.append(self._start(request, reuse))
            else:
                break
        return admitted

    def next_batch(self, draft: Sequence[int] = ()) -> list[Slice]:
        """Return the slices of one decode call, at most `micro_batch` tokens; empty if there is nothing to do.

        `draft` belongs to the only generating request. Evicts idle sequences and preempts the youngest requests.
        """
        batch = self._place_generating(draft)
        batch += self._place_prompts(sum(len(part.tokens) for part in batch), has_streams=bool(batch))
        if not batch and len(self.running) > 1:
            self.preempt()
            return self.next_batch()
        return batch

    def record_computed(self, batch: list[Slice]) -> list[CachedSequence]:
        """Record a decoded batch and return the sequences that are due for a checkpoint."""
        due: list[CachedSequence] = []
        self._cache.record_computed(sum(len(part.tokens) for part in batch))
        for part in batch:
            request, sequence = part.request, part.request.sequence
            assert sequence is not None
            sequence.computed += len(part.tokens) - part.drafted
            if part.position < request.prompt_length:
                request.evaluated += min(sequence.computed, request.prompt_length) - part.position
                if is_worth_a_checkpoint(request, sequence.computed):
                    due.append(sequence)
            self._may_admit |= any(part.position < fork <= sequence.computed for fork in request.forks)
        return due

    def accept(self, request: Request, token: int) -> bool:
        """Append a drawn token; False if it must be the last: max_tokens is reached, or the context is full."""
        request.tokens.append(token)
        limit = request.max_tokens
        return (limit is None or request.generated < limit) and len(request.tokens) <= self._context_length

    def accept_draft(self, request: Request) -> None:
        """Record that the next drafted token was drawn; it is already in the cache."""
        assert request.sequence is not None
        request.sequence.computed += 1

    def finish(self, request: Request) -> None:
        """End a running request and keep its sequence."""
        self.running.remove(request)
        assert request.sequence is not None
        self._cache.release(request.sequence)
        self._may_admit = True

    def cancel(self, request_id: int) -> Request | None:
        """Drop a running or waiting request; None if there is no such request."""
        found = [each for each in (*self.running, *self.waiting) if each.request_id == request_id]
        for request in found:
            self._remove(request)
        return found[0] if found else None

    def expire(self, now: float) -> list[Request]:
        """Drop and return the requests whose deadline has passed."""
        late = [each for each in (*self.running, *self.waiting) if each.deadline is not None and each.deadline <= now]
        for request in late:
            self._remove(request)
        return late

    def preempt(self) -> Request | None:
        """Move the youngest running request to the front of the queue; None if only one runs."""
        if len(self.running) < 2:
            return None
        request = self.running.pop()
        assert request.sequence is not None
        self._cache.release(request.sequence)
        request.sequence = None
        request.forks.clear()
        self.waiting.appendleft(request)
        return request

    def _remove(self, request: Request) -> None:
        if request.sequence is not None:
            self.finish(request)
        else:
            self.waiting.remove(request)
            self._may_admit = True

    def _start(self, request: Request, reuse: Reuse) -> Request:
        self.waiting.remove(request)
        request.sequence = self._cache.start(request.tokens, request.prompt_length, reuse)
        if not request.generated:
            request.reused = request.sequence.computed
        self.running.append(request)
        return request

    def _waits_for_prefix(self, request: Request, reuse: Reuse) -> bool:
        """Return whether to wait for a running request that will compute more of the prefix; marks the fork there."""
        longest = len(request.tokens) - 1
        shared = {each: min(longest, common_prefix(each.tokens, request.tokens)) for each in self.running}
        ahead = [each for each in self.running if shared[each] > each.computed]
        leader = max(ahead, key=shared.__getitem__, default=None)
        if leader is None or shared[leader] < reuse.length + _MIN_SHARED_TOKENS:
            return False
        leader.forks.add(shared[leader])
        return True

    def _fits(self, request: Request, reuse: Reuse) -> bool:
        if not self.running:
            return True
        needed = [(each.sequence, len(each.tokens)) for each in self.running if each.sequence is not None]
        shared = [(reuse.live, reuse.length)] if reuse.live is not None else []
        taken_over = reuse.length if shared else 0
        cells = self._cache.occupied_cells((*needed, *shared)) + len(request.tokens) - taken_over
        headroom = min(_HEADROOM * (len(self.running) + 1), self._context_length // 8)
        return cells + max(1, headroom) <= self._context_length

    def _place_generating(self, draft: Sequence[int]) -> list[Slice]:
        generating = [each for each in self.running if each.is_generating]
        draft = tuple(draft[: self._micro_batch - 1]) if len(generating) == 1 else ()
        if not self._make_room(len(generating) + len(draft)):
            draft = ()
            while not self._make_room(len(generating)) and self.preempt() is not None:
                generating = [each for each in self.running if each.is_generating]
        return [next_slice(each, 1, draft) for each in generating]

    def _place_prompts(self, taken: int, *, has_streams: bool) -> list[Slice]:
        room = self._micro_batch - taken
        if has_streams:
            room = min(room, self.prompt_limit)
        prompts = [each for each in self.running if not each.is_generating]
        if not prompts:
            return []
        wanted = min(room, sum(each.remaining for each in prompts))
        if not self._make_room(taken + wanted):
            room = max(0, min(room, self._cache.free_cells - taken))
        return [next_slice(each, share) for each, share in _split_room(prompts, room) if share > 0]

    def _make_room(self, cells: int) -> bool:
        """Evict idle sequences until so many cells are free; False if there are still too few."""
        while not self._cache.has_room(cells):
            if not self._cache.evict_oldest():
                return False
        return True


def _split_room(prompts: list[Request], room: int) -> Iterable[tuple[Request, int]]:
    """Split the room among prompts: half to the oldest, so that it progresses, the rest to the shortest first."""
    left = {each: tokens_until_pause(each) for each in prompts}
    shares = dict.fromkeys(prompts, 0)
    for request in prompts[:1] if len(prompts) > 1 else ():
        shares[request] = min(left[request], (room + 1) // 2)
    for request in sorted(prompts, key=lambda each: each.remaining):
        free = room - sum(shares.values())
        shares[request] += min(left[request] - shares[request], free)
    return shares.items()
