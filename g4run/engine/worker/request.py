"""A request as the scheduler sees it, and what of it goes into one decode call. Pure."""

from dataclasses import dataclass, field

from g4run.engine.kv_cache.cached_sequence import CachedSequence

_PROMPT_END_TOKENS = 16  # a boundary this close to a prompt's end serves in the end's place


@dataclass(slots=True, eq=False)
class Request:
    """One request. `tokens` is the prompt and what was generated; the deadline is on the caller's clock.

    `boundaries` are positions in the prompt where a checkpoint is of use; `forks` those where another request goes on.
    """

    request_id: int
    tokens: list[int]
    prompt_length: int
    max_tokens: int | None = None
    boundaries: frozenset[int] = frozenset()
    deadline: float | None = None
    forks: set[int] = field(default_factory=set)
    sequence: CachedSequence | None = None
    reused: int = 0
    evaluated: int = 0

    @property
    def generated(self) -> int:
        """Tokens drawn so far."""
        return len(self.tokens) - self.prompt_length

    @property
    def computed(self) -> int:
        """Tokens that are in the cache."""
        return self.sequence.computed if self.sequence else 0

    @property
    def remaining(self) -> int:
        """Tokens that are not."""
        return len(self.tokens) - self.computed

    @property
    def is_generating(self) -> bool:
        """Whether only the newest token is not computed."""
        return self.remaining == 1


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive tokens of one request in a batch, the first at `position`.

    The last `drafted` of them are guesses; logits are wanted after the last `outputs`.
    """

    request: Request
    position: int
    tokens: tuple[int, ...]
    outputs: int
    drafted: int = 0

    @property
    def sequence_id(self) -> int:
        """Sequence that the tokens belong to."""
        assert self.request.sequence is not None
        return self.request.sequence.sequence_id


def until_stop(request: Request) -> int:
    """Tokens up to where the request must pause: a boundary, a fork, or its end."""
    stops = (each for each in (*request.boundaries, *request.forks) if each > request.computed)
    return min(*stops, len(request.tokens), len(request.tokens)) - request.computed


def is_worth_a_checkpoint(request: Request, length: int) -> bool:
    """Whether a request at this length stands where a later prompt, or a waiting one, may go back to."""
    if length in request.boundaries or length in request.forks:
        return True
    end = request.prompt_length
    return length == end and not any(end - _PROMPT_END_TOKENS <= each < end for each in request.boundaries)


def slice_of(request: Request, room: int, guesses: tuple[int, ...] = ()) -> Slice:
    """The next tokens of a request, at most `room`, and a draft after its newest one."""
    start = request.computed
    end = min(len(request.tokens), start + room)
    is_last = end == len(request.tokens)
    tokens = (*request.tokens[start:end], *guesses)
    return Slice(request, start, tokens, 1 + len(guesses) if is_last else 0, len(guesses))
