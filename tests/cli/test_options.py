import pytest

from g4run.cli.options import check_context_length, make_answer_options
from g4run.engine.parameters import SamplingParameters
from g4run.errors import UsageError
from g4run.runtime.answer import AnswerOptions


def make(
    temperature: float | None = None,
    top_p: float | None = None,
    top_k: int | None = None,
    min_p: float | None = None,
    seed: int | None = None,
    max_tokens: int | None = None,
    stop: list[str] | None = None,
    thinking: bool = False,
    thinking_budget: int | None = None,
    repeat_penalty: float | None = None,
    presence_penalty: float | None = None,
    frequency_penalty: float | None = None,
    format: str | None = None,
    grammar: str | None = None,
) -> AnswerOptions:
    return make_answer_options(
        thinking=thinking,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        seed=seed,
        max_tokens=max_tokens,
        stop=stop,
        thinking_budget=thinking_budget,
        repeat_penalty=repeat_penalty,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        format=format,
        grammar=grammar,
    )


def test_without_options_google_s_defaults_stand() -> None:
    assert make() == AnswerOptions(thinking=False, sampling=SamplingParameters(1.0, 64, 0.95, 0.0), seed=None)


def test_what_is_given_replaces_a_default_zeros_too() -> None:
    made = make(temperature=0.0, top_p=0.5, top_k=0, min_p=0.1, seed=0, max_tokens=7, stop=["a", "b"])
    assert made == AnswerOptions(sampling=SamplingParameters(0.0, 0, 0.5, 0.1), seed=0, max_tokens=7, stop=("a", "b"))


def test_penalties_and_the_budget_of_a_thought() -> None:
    made = make(thinking=True, thinking_budget=0, repeat_penalty=1.1, presence_penalty=0.0, frequency_penalty=-0.5)
    sampling = SamplingParameters(repeat_penalty=1.1, presence_penalty=0.0, frequency_penalty=-0.5)
    assert made == AnswerOptions(thinking=True, sampling=sampling, thinking_budget=0)


def test_json_and_a_grammar_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="--format and --grammar exclude each other"):
        make(format="json", grammar="rules.gbnf")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("temperature", -0.1, "--temperature must be between 0 and 1000000000, not -0.1"),
        ("temperature", float("nan"), "--temperature must be between 0 and 1000000000, not nan"),
        ("temperature", float("inf"), "--temperature must be between 0 and 1000000000, not inf"),
        ("temperature", 1e10, "--temperature must be between 0 and 1000000000, not 10000000000.0"),
        ("repeat_penalty", 0.0, "--repeat-penalty must be between 0.001 and 1000, not 0.0"),
        ("presence_penalty", 1001.0, "--presence-penalty must be between -1000 and 1000, not 1001.0"),
        ("frequency_penalty", float("nan"), "--frequency-penalty must be between -1000 and 1000, not nan"),
        ("thinking_budget", -1, "--thinking-budget must be 0 or more, not -1"),
        ("thinking_budget", 5, "--thinking-budget bounds a thought, and without --think there is none"),
        ("top_p", 0.0, "--top-p must be above 0 and at most 1, not 0.0"),
        ("top_p", 1.5, "--top-p must be above 0 and at most 1, not 1.5"),
        ("top_k", -1, "--top-k must be 0 or more, not -1"),
        ("top_k", 2**31, "--top-k must be at most 2147483647, not 2147483648"),
        ("min_p", -0.5, "--min-p must be between 0 and 1, not -0.5"),
        ("min_p", 1.1, "--min-p must be between 0 and 1, not 1.1"),
        ("seed", -1, "--seed must be between 0 and 4294967294, not -1"),
        ("seed", 2**32 - 1, "--seed must be between 0 and 4294967294, not 4294967295"),
        ("max_tokens", 0, "--max-tokens must be 1 or more, not 0"),
        ("stop", ["ok", ""], "--stop must not be empty"),
    ],
)
def test_a_number_out_of_range_is_one_sentence(option: str, value: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make(**{option: value})  # type: ignore[arg-type] # the table holds each option's own type
    assert caught.value.message == message


def test_the_context_length_is_positive() -> None:
    assert check_context_length(None) is None
    assert check_context_length(4096) == 4096
    with pytest.raises(UsageError, match="--ctx must be 1 or more, not 0"):
        check_context_length(0)
