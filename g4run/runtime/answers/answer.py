"""What comes back from a model: the answer with its usage, timings and reasons, and what may be asked of it."""

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
    """Under a grammar, white space or a repetition that would not have ended; the answer was completed if possible."""
    FAILED = "failed"
    """No token could be drawn: all were forbidden, or the grammar became too ambiguous to be followed."""


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """An answer in JSON: one that satisfies a JSON schema, or any object where `schema` is None."""

    schema: JsonValue = None


class ToolChoice(StrEnum):
    """Whether the model calls tools: as it likes, never, or at least one."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The one tool that the model must call."""

    name: str


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """One request to a loaded model. `max_tokens` of None goes on to the end of the context.

    `seed` of None draws a fresh one, which the answer reports. `logprobs` is None for none, else the number of
    alternatives per token (0 to 20). Of `response_format`, `grammar`, and a `tool_choice` that asks for a call, only
    one can be given; all of them apply after the thought. `thinking_budget` is how many tokens a thought may have, and
    `deadline_seconds` how long all of it may take.
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
        """Whether the answer has to be calls of tools."""
        return self.tool_choice not in (ToolChoice.AUTO, ToolChoice.NONE)

    @property
    def is_constrained(self) -> bool:
        """Whether a grammar constrains the answer."""
        return self.must_call or self.response_format is not None or self.grammar is not None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token: its text, its natural-log probability before sampling, and the likeliest others."""

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written. `completion_tokens` counts thinking and the end-of-turn token too.

    Of the prompt, `cached_tokens` had been computed before. Of the completion, `drafted_tokens` were guessed, of which
    `accepted_tokens` were right.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0

    @property
    def evaluated_tokens(self) -> int:
        """What was new of the prompt."""
        return self.prompt_tokens - self.cached_tokens


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of each part. Loading counts in the answer that comes after it, and there in `total_seconds` too.

    `prompt_tokens_per_second` counts what was computed of the prompt, not what was reused.
    `generation_tokens_per_second` counts the tokens after the first, which the prompt's last step gave. `draft_gain` is
    how many times as fast guessing tokens makes it, by what was measured; 1 where it is off.
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
