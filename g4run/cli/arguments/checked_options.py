"""Check the options that `run` and `chat` share, and convert them for the answer and the load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from g4run.cli.arguments.checks import parse_kv_type, parse_servers
from g4run.cli.arguments.options import SharedOptions
from g4run.engine.limits import MAX_COUNT
from g4run.engine.parameters import SAMPLING_RANGES, SamplingParameters
from g4run.errors import UsageError

if TYPE_CHECKING:
    from g4run.runtime.answers.answer import AnswerOptions
    from g4run.runtime.loading import LoadOptions

_MAX_SEED: Final = 2**32 - 2  # 2^32 - 1 is LLAMA_DEFAULT_SEED, a random seed (llama.h)


@dataclass(frozen=True, slots=True)
class _Rule:
    """The valid range of a number, in words and as a check, and a valid example."""

    words: str
    accepts: Callable[[float], bool]
    example: str


def _within(name: str, example: str) -> _Rule:
    """Return the range that the engine accepts."""
    lowest, highest = SAMPLING_RANGES[name]
    words = f"between {lowest:.12g} and {highest:.12g}"
    return _Rule(words, lambda value: lowest <= value <= highest, example)


def _at_least(lowest: int, example: str) -> _Rule:
    return _Rule(f"{lowest} or more", lambda value: value >= lowest, example)


def _share(example: str) -> _Rule:
    return _Rule("above 0 and at most 1", lambda value: 0 < value <= 1, example)


# Keys are fields of SharedOptions; sampling keys are fields of SamplingParameters, too.
_SAMPLING_RULES: Final = {
    "temperature": _within("temperature", "1.0"),
    "top_p": _share("0.95"),
    "top_k": _at_least(0, "64"),
    "min_p": _within("min_p", "0.05"),
    "typical_p": _share("0.95"),
    "xtc_probability": _within("xtc_probability", "0.5"),
    "repeat_penalty": _within("repeat_penalty", "1.1"),
    "presence_penalty": _within("presence_penalty", "0.5"),
    "frequency_penalty": _within("frequency_penalty", "0.5"),
    "repeat_last_n": _at_least(-1, "64"),
    "dry_multiplier": _within("dry_multiplier", "0.8"),
}
_ANSWER_RULES: Final = {
    "thinking_budget": _at_least(0, "1000"),
    "seed": _Rule(f"between 0 and {_MAX_SEED}", lambda value: 0 <= value <= _MAX_SEED, "42"),
    "max_tokens": _at_least(1, "500"),
}
_LOAD_RULES: Final = {
    "context_length": _at_least(1, "8192"),
    "gpu_layers": _at_least(0, "99"),
    "cpu_experts": _at_least(0, "10"),
}


def make_answer_options(shared: SharedOptions) -> "AnswerOptions":
    """Check the typed values and read the files they name; omitted options take their default. Raises UsageError."""
    from g4run.cli.arguments.response_format import check_one_constraint, read_format, read_grammar
    from g4run.runtime.answers.answer import AnswerOptions

    _check_numbers(shared, {**_ANSWER_RULES, **_SAMPLING_RULES})
    if any(not text for text in shared.stop or ()):
        raise UsageError("--stop must not be empty", "omit --stop to stop where the model does")
    check_one_constraint(format=shared.format, grammar=shared.grammar, regex=shared.regex)
    if shared.thinking_budget is not None and not shared.think:
        raise UsageError("--thinking-budget needs --think", "add --think")
    return AnswerOptions(
        thinking=shared.think,
        sampling=_sampling(shared),
        seed=shared.seed,
        max_tokens=shared.max_tokens,
        stop=tuple(shared.stop or ()),
        response_format=read_format(shared.format),
        grammar=read_grammar(shared.grammar, shared.regex),
        thinking_budget=shared.thinking_budget,
    )


def _sampling(shared: SharedOptions) -> SamplingParameters:
    """Return Google's defaults, overridden by the typed values."""
    typed = {name: getattr(shared, name) for name in _SAMPLING_RULES}
    return replace(SamplingParameters(), **{name: value for name, value in typed.items() if value is not None})


def make_load_options(shared: SharedOptions) -> "LoadOptions":
    """Check the typed values; the planner chooses omitted ones. Raises UsageError."""
    from g4run.runtime.loading import LoadOptions

    _check_numbers(shared, _LOAD_RULES)
    return LoadOptions(
        context=shared.context_length,
        kv_type=parse_kv_type(shared.kv),
        gpu_layers=shared.gpu_layers,
        cpu_expert_layers=shared.cpu_experts,
        ignores_memory=shared.force,
        rpc_servers=parse_servers(shared.rpc),
    )


def _check_numbers(shared: SharedOptions, rules: Mapping[str, _Rule]) -> None:
    for name, rule in rules.items():
        value: int | float | None = getattr(shared, name)
        if value is None:
            continue
        option = "--ctx" if name == "context_length" else f"--{name.replace('_', '-')}"
        if not rule.accepts(value):
            raise UsageError(f"{option} must be {rule.words}, not {value}", f"{option} {rule.example}")
        if isinstance(value, int) and name != "seed" and value > MAX_COUNT:
            raise UsageError(f"{option} must be at most {MAX_COUNT}, not {value}", f"{option} {rule.example}")
