"""Answer options, and the answer with its usage, timings, and finish reason."""

from dataclasses import dataclass, field
from enum import StrEnum

from g4run.chat.messages import JsonValue, ToolCall
from g4run.chat.structured_output.grammar import Grammar
from g4run.engine.parameters import SamplingParameters


class FinishReason(StrEnum):
    """Why an answer ended, by OpenAI's names where it has one."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    LOOP = "loop"
    """A grammar allowed endless white space or repetition; the answer was completed if possible."""
    FAILED = "failed"
    """No token could be drawn: all were forbidden, or the grammar became too ambiguous."""


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """An answer in JSON: one that satisfies a JSON schema, or any object if `schema` is None."""

    schema: JsonValue = None


class ToolChoice(StrEnum):
    """Whether the model calls tools: if it wants to, never, or at least one."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The one tool that the model must call."""

    name: str


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """The options of one request. `max_tokens` of None is limited by the context only.

    `seed` of None draws a random one, which the answer reports. `logprobs` is None for none, else the number of
    alternatives per token (0 to 20). Only one of `response_format`, `grammar`, and a `tool_choice` that requires a call
    is allowed; they apply after the thinking. `thinking_budget` limits the thinking in tokens, and `deadline_seconds`
    the whole answer.
    """

    thinking: bool = False
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    response_format: JsonFormat | None = None
    grammar: Grammar | None = None
    tool_choice: ToolChoice | NamedTool = ToolChoice.AUTO
    thinking_budget: int | None = None
    deadline_seconds: float | None = None

    @property
    def must_call(self) -> bool:
        """Whether the answer must be tool calls."""
        return self.tool_choice not in (ToolChoice.AUTO, ToolChoice.NONE)

    @property
    def is_constrained(self) -> bool:
        """Whether decoding is constrained."""
        return self.must_call or self.response_format is not None or self.grammar is not None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token: its text, its natural-log probability before sampling, and the likeliest others."""

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of prompt and completion. `completion_tokens` includes thinking and the end-of-turn token.

    `cached_tokens` of the prompt came from the prompt cache. `drafted_tokens` of the completion were drafted, and
    `accepted_tokens` of these accepted.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0

    @property
    def evaluated_tokens(self) -> int:
        """The prompt tokens that were computed."""
        return self.prompt_tokens - self.cached_tokens


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of each part. Loading counts for the next answer, in its `total_seconds`, too.

    `prompt_tokens_per_second` counts computed tokens, not cached ones. `generation_tokens_per_second` counts the tokens
    after the first, which comes from the prompt's last step. `draft_gain` is the measured speedup of drafting, or 1.
    """

    load_seconds: float = 0.0
    prompt_seconds: float = 0.0
    generation_seconds: float = 0.0
    total_seconds: float = 0.0
    prompt_tokens_per_second: float = 0.0
    generation_tokens_per_second: float = 0.0
    draft_gain: float = 1.0


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
