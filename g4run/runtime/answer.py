"""What comes back from a model: the answer with its usage, timings and reasons, and what may be asked of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from g4run.chat.messages import ToolCall
from g4run.engine.parameters import SamplingParameters


class FinishReason(StrEnum):
    """Why an answer ended, by OpenAI's names where it has one."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """One request to a loaded model. `max_tokens` of None goes on to the end of the context.

    `seed` of None draws a fresh one, which the answer reports. `logprobs` is None for none, else the number of
    alternatives per token (0 to 20).
    """

    thinking: bool = False
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token: its text, its natural-log probability before sampling, and the likeliest others."""

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written. `completion_tokens` counts thinking and the end-of-turn token too."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of each part. Loading counts in the answer that comes after it, and there in `total_seconds` too.

    `generation_tokens_per_second` counts the tokens after the first, which the prompt's last step gave.
    """

    load_seconds: float = 0.0
    prompt_seconds: float = 0.0
    generation_seconds: float = 0.0
    total_seconds: float = 0.0
    prompt_tokens_per_second: float = 0.0
    generation_tokens_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    content: str
    thinking: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    seed: int
    logprobs: tuple[TokenLogprob, ...] | None = None
