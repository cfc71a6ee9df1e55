"""Which tokens of which sequences go into the next decode call. Pure: no llama.cpp, no clock.

Sequences that generate come first, one token each; prompts fill what is left of the micro-batch, oldest first. The
cache is shared (unified), so `context_length` bounds the tokens of all sequences together.
"""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Sequence:
    """One admitted request. `tokens` is the prompt and what was generated; the first `computed` are in the cache."""

    request_id: int
    sequence_id: int
    tokens: list[int]
    prompt_length: int
    max_tokens: int | None
    computed: int = 0

    @property
    def generated(self) -> int:
        """Tokens drawn so far."""
        return len(self.tokens) - self.prompt_length

    @property
    def is_generating(self) -> bool:
        """Whether the whole prompt is computed and only the newest token is not."""
        return self.computed >= self.prompt_length


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive tokens of one sequence in a batch, the first at `position`; logits may be wanted after the last."""

    sequence: Sequence
    position: int
    tokens: tuple[int, ...]
    wants_logits: bool


@dataclass(slots=True)
class _Waiting:
    request_id: int
    tokens: list[int]
    max_tokens: int | None


@dataclass(slots=True)
class Scheduler:
    """Live state of all requests of one context."""

    sequences: int
    context_length: int
    micro_batch: int
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _running: dict[int, Sequence] = field(default_factory=dict)  # by sequence_id, in order of admission

    def __post_init__(self) -> None:
        """Refuse with ValueError a micro-batch that cannot carry one token of each sequence."""
        if not 0 < self.sequences <= self.micro_batch:
            raise ValueError(f"{self.sequences} sequences in micro-batches of {self.micro_batch} tokens")

    def submit(self, request_id: int, tokens: list[int], max_tokens: int | None) -> None:
        """Queue a request. `tokens` must not be empty and must leave room for one token in the context."""
        if not 0 < len(tokens) < self.context_length:
            raise ValueError(f"a prompt of {len(tokens)} tokens in a context of {self.context_length}")
        self._waiting.append(_Waiting(request_id, tokens, max_tokens))

    def cancel(self, request_id: int) -> Sequence | bool:
        """Drop a request: its sequence if it ran, True if it was still waiting, False if it is not known."""
        for sequence in self._running.values():
            if sequence.request_id == request_id:
                self.finish(sequence)
                return sequence
        for waiting in self._waiting:
            if waiting.request_id == request_id:
                self._waiting.remove(waiting)
                return True
        return False

    def admit(self) -> list[Sequence]:
        """Move waiting requests to free sequences, in order, as long as their prompts have room in the cache."""
        admitted: list[Sequence] = []
        while self._waiting and len(self._running) < self.sequences:
            if self._reserved() + len(self._waiting[0].tokens) >= self.context_length:
                break
            admitted.append(self._start(self._waiting.popleft()))
        return admitted

    def next_batch(self) -> list[Slice]:
        """Slices for one decode call, at most `micro_batch` tokens; empty when there is nothing to do."""
        batch = [self._slice(sequence, 1) for sequence in self._running.values() if sequence.is_generating]
        room = self.micro_batch - len(batch)
        for sequence in self._running.values():
            if room > 0 and not sequence.is_generating:
                batch.append(self._slice(sequence, room))
                room -= len(batch[-1].tokens)
        return batch

    def computed(self, batch: list[Slice]) -> None:
        """Record that a batch was decoded."""
        for part in batch:
            part.sequence.computed += len(part.tokens)

    def accept(self, sequence: Sequence, token: int) -> bool:
        """Append a drawn token; False when nothing may follow it: max_tokens is reached, or the cache is full."""
        sequence.tokens.append(token)
        limit = sequence.max_tokens
        return (limit is None or sequence.generated < limit) and self._reserved() <= self.context_length

    def finish(self, sequence: Sequence) -> None:
        """Free a sequence."""
        del self._running[sequence.sequence_id]

    @property
    def is_idle(self) -> bool:
        """Whether no request runs or waits."""
        return not self._running and not self._waiting

    @property
    def running(self) -> tuple[Sequence, ...]:
        """The admitted sequences, oldest first."""
        return tuple(self._running.values())

    def _reserved(self) -> int:
        return sum(len(sequence.tokens) for sequence in self._running.values())

    def _start(self, waiting: _Waiting) -> Sequence:
        sequence_id = next(i for i in range(self.sequences) if i not in self._running)
        sequence = Sequence(
            waiting.request_id, sequence_id, list(waiting.tokens), len(waiting.tokens), waiting.max_tokens
        )
        self._running[sequence_id] = sequence
        return sequence

    def _slice(self, sequence: Sequence, room: int) -> Slice:
        end = min(len(sequence.tokens), sequence.computed + room)
        tokens = tuple(sequence.tokens[sequence.computed : end])
        return Slice(sequence, sequence.computed, tokens, wants_logits=end == len(sequence.tokens))
