"""A request as the scheduler sees it, and its share of a decode call. Pure."""

from dataclasses import dataclass, field

from g4run.engine.kv_cache.cached_sequence import CachedSequence

_PROMPT_END_TOKENS = 16  # no checkpoint at a prompt's end if a boundary lies this close before it


@dataclass(slots=True, eq=False)
class Request:
    """One request: `tokens` is the prompt and what was generated, `deadline` is on the caller's clock.

    `boundaries` are prompt positions that deserve a checkpoint; `forks` are those where another request branches off.
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
        """Number of tokens drawn so far."""
        return len(self.tokens) - self.prompt_length

    @property
    def computed(self) -> int:
        """Number of tokens in the cache."""
        return self.sequence.computed if self.sequence else 0

    @property
    def remaining(self) -> int:
        """Number of tokens not yet in the cache."""
        return len(self.tokens) - self.computed

    @property
    def is_generating(self) -> bool:
        """Whether all tokens but the newest are computed."""
        return self.remaining == 1


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive tokens of one request in a batch, the first at `position`.

    The last `drafted` tokens are a draft; logits are needed after the last `outputs` tokens.
    """

    request: Request
    position: int
    tokens: tuple[int, ...]
    outputs: int
    drafted: int = 0

    @property
    def sequence_id(self) -> int:
        """Id of the request's sequence."""
        assert self.request.sequence is not None
        return self.request.sequence.sequence_id


def tokens_until_pause(request: Request) -> int:
    """Return the number of tokens up to the next boundary, fork, or the end."""
    stops = (each for each in (*request.boundaries, *request.forks) if each > request.computed)
    return min(*stops, len(request.tokens), len(request.tokens)) - request.computed


def is_worth_a_checkpoint(request: Request, length: int) -> bool:
    """Return whether a later or a waiting request may go back to this length."""
    if length in request.boundaries or length in request.forks:
        return True
    end = request.prompt_length
    return length == end and not any(end - _PROMPT_END_TOKENS <= each < end for each in request.boundaries)


def next_slice(request: Request, room: int, draft: tuple[int, ...] = ()) -> Slice:
    """Return the next tokens of a request, at most `room`, with a draft after the newest."""
    start = request.computed
    end = min(len(request.tokens), start + room)
    is_last = end == len(request.tokens)
    tokens = (*request.tokens[start:end], *draft)
    return Slice(request, start, tokens, 1 + len(draft) if is_last else 0, len(draft))
