"""The options that `run` and `chat` share, and the checks of their values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from g4run.engine.parameters import SAMPLING_RANGES, KvType, SamplingParameters
from g4run.errors import UsageError

if TYPE_CHECKING:
    from g4run.runtime.answer import AnswerOptions
    from g4run.runtime.loading import LoadOptions

_DEFAULTS = SamplingParameters()
LARGEST_INT = 2**31 - 1  # llama.cpp counts in 32-bit signed integers
_LARGEST_SEED = 2**32 - 2  # 2^32 - 1 is LLAMA_DEFAULT_SEED, which draws one (llama.h)

System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="The system message.")]
Temperature = Annotated[
    float | None,
    typer.Option(metavar="NUMBER", help=f"0 takes the likeliest token; default {_DEFAULTS.temperature}."),
]
TopP = Annotated[
    float | None,
    typer.Option(metavar="NUMBER", help=f"Draw from this share of the likeliest tokens; default {_DEFAULTS.top_p}."),
]
TopK = Annotated[
    int | None,
    typer.Option(metavar="COUNT", help=f"Draw from this many tokens, 0 from all; default {_DEFAULTS.top_k}."),
]
MinP = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER", help=f"Leave out tokens below this share of the likeliest; default {_DEFAULTS.min_p}."
    ),
]
RepeatPenalty = Annotated[
    float | None,
    typer.Option(metavar="NUMBER", help="Above 1, tokens that were said lately become unlikelier; default 1."),
]
PresencePenalty = Annotated[
    float | None, typer.Option(metavar="NUMBER", help="Taken off the logits of tokens that were said; default 0.")
]
FrequencyPenalty = Annotated[
    float | None, typer.Option(metavar="NUMBER", help="The same for each time that one was said; default 0.")
]
Format = Annotated[
    str | None,
    typer.Option(metavar="json|FILE", help="Answer in JSON: any object, or what the JSON schema in FILE asks for."),
]
Grammar = Annotated[
    str | None, typer.Option(metavar="FILE", help="Answer by the grammar in FILE, in llama.cpp's notation (GBNF).")
]
ThinkingBudget = Annotated[
    int | None, typer.Option(metavar="COUNT", help="With --think: close the thought after this many tokens.")
]
Seed = Annotated[
    int | None, typer.Option(metavar="NUMBER", help="The same seed draws the same answer; default random.")
]
MaxTokens = Annotated[int | None, typer.Option(metavar="COUNT", help="Stop after this many tokens.")]
ContextLength = Annotated[
    int | None,
    typer.Option("--ctx", metavar="COUNT", help="Context length in tokens; default G4RUN_CONTEXT or 8192."),
]
Kv = Annotated[
    str | None, typer.Option("--kv", metavar="TYPE", help="KV cache of f16, q8_0 or q4_0; default f16 where it fits.")
]
GpuLayers = Annotated[
    int | None, typer.Option(metavar="COUNT", help="Layers on the GPU, the head counted; default what fits.")
]
CpuExperts = Annotated[
    int | None, typer.Option(metavar="COUNT", help="Layers whose experts stay on the CPU; default as few as fit.")
]
Force = Annotated[bool, typer.Option("--force", help="Load it also where it does not fit in free memory.")]
Stop = Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Stop before this text; repeatable.")]
Think = Annotated[bool, typer.Option("--think/--no-think", help="Think before answering.")]
HideThinking = Annotated[bool, typer.Option("--hide-thinking", help="Think, but do not show it.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print counts and speeds to stderr afterwards.")]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a number must be, in words and as a check, and one that would do."""

    words: str
    accepts: Callable[[float], bool]
    example: str


def _within(name: str, example: str) -> _Rule:
    """The range that the engine takes."""
    lowest, highest = SAMPLING_RANGES[name]
    words = f"between {lowest:.12g} and {highest:.12g}"
    return _Rule(words, lambda value: lowest <= value <= highest, example)


_RULES = {
    "--temperature": _within("temperature", "1.0"),
    "--top-p": _Rule("above 0 and at most 1", lambda value: 0 < value <= 1, "0.95"),
    "--top-k": _Rule("0 or more", lambda value: value >= 0, "64"),
    "--min-p": _Rule("between 0 and 1", lambda value: 0 <= value <= 1, "0.05"),
    "--repeat-penalty": _within("repeat_penalty", "1.1"),
    "--presence-penalty": _within("presence_penalty", "0.5"),
    "--frequency-penalty": _within("frequency_penalty", "0.5"),
    "--thinking-budget": _Rule("0 or more", lambda value: value >= 0, "1000"),
    "--seed": _Rule(f"between 0 and {_LARGEST_SEED}", lambda value: 0 <= value <= _LARGEST_SEED, "42"),
    "--max-tokens": _Rule("1 or more", lambda value: value >= 1, "500"),
    "--ctx": _Rule("1 or more", lambda value: value >= 1, "8192"),
    "--gpu-layers": _Rule("0 or more", lambda value: value >= 0, "99"),
    "--cpu-experts": _Rule("0 or more", lambda value: value >= 0, "10"),
}


def make_answer_options(
    *,
    thinking: bool,
    temperature: float | None,
    top_p: float | None,
    top_k: int | None,
    min_p: float | None,
    seed: int | None,
    max_tokens: int | None,
    stop: list[str] | None,
    repeat_penalty: float | None = None,
    presence_penalty: float | None = None,
    frequency_penalty: float | None = None,
    format: str | None = None,
    grammar: str | None = None,
    thinking_budget: int | None = None,
) -> "AnswerOptions":
    """Check the values as typed, read the files they name, and make them one; None takes the default.

    Raises UsageError.
    """
    from g4run.cli.constraints import read_format, read_grammar_file
    from g4run.runtime.answer import AnswerOptions

    if any(not text for text in stop or ()):
        raise UsageError("--stop must not be empty", "leave --stop out to end where the model does")
    if format is not None and grammar is not None:
        raise UsageError("--format and --grammar exclude each other", "leave one of them out")
    if _check("--thinking-budget", thinking_budget) is not None and not thinking:
        raise UsageError("--thinking-budget bounds a thought, and without --think there is none", "add --think")
    return AnswerOptions(
        thinking=thinking,
        sampling=SamplingParameters(
            temperature=_or_default(_check("--temperature", temperature), _DEFAULTS.temperature),
            top_k=_or_default(_check("--top-k", top_k), _DEFAULTS.top_k),
            top_p=_or_default(_check("--top-p", top_p), _DEFAULTS.top_p),
            min_p=_or_default(_check("--min-p", min_p), _DEFAULTS.min_p),
            repeat_penalty=_or_default(_check("--repeat-penalty", repeat_penalty), _DEFAULTS.repeat_penalty),
            presence_penalty=_or_default(_check("--presence-penalty", presence_penalty), _DEFAULTS.presence_penalty),
            frequency_penalty=_or_default(
                _check("--frequency-penalty", frequency_penalty), _DEFAULTS.frequency_penalty
            ),
        ),
        seed=_check("--seed", seed),
        max_tokens=_check("--max-tokens", max_tokens),
        stop=tuple(stop or ()),
        response_format=read_format(format),
        grammar=read_grammar_file(grammar),
        thinking_budget=thinking_budget,
    )


def make_load_options(
    *, context: int | None, kv: str | None, gpu_layers: int | None, cpu_experts: int | None, force: bool
) -> "LoadOptions":
    """Check the values as typed and make them one; None leaves the choice to the plan. Raises UsageError."""
    from g4run.runtime.loading import LoadOptions

    return LoadOptions(
        context_length=_check("--ctx", context),
        kv_type=parse_kv_type(kv),
        gpu_layers=_check("--gpu-layers", gpu_layers),
        cpu_expert_layers=_check("--cpu-experts", cpu_experts),
        ignores_memory=force,
    )


def check_context_length(context_length: int | None) -> int | None:
    """Check the value of --ctx as typed. Raises UsageError."""
    return _check("--ctx", context_length)


def parse_kv_type(text: str | None) -> KvType | None:
    """Check the value of --kv as typed. Raises UsageError."""
    if text is not None and text.lower() not in tuple(KvType):
        raise UsageError(f"--kv must be one of {', '.join(KvType)}, not {text!r}", "--kv f16")
    return None if text is None else KvType(text.lower())


_Number = TypeVar("_Number", int, float)


def _check(option: str, value: _Number | None) -> _Number | None:
    rule = _RULES[option]
    if value is None:
        return None
    if not rule.accepts(value):
        raise UsageError(f"{option} must be {rule.words}, not {value}", f"{option} {rule.example}")
    if isinstance(value, int) and option != "--seed" and value > LARGEST_INT:
        raise UsageError(f"{option} must be at most {LARGEST_INT}, not {value}", f"{option} {rule.example}")
    return value


def _or_default(value: _Number | None, default: _Number) -> _Number:
    return default if value is None else value
