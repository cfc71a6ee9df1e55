"""The options of `run` and `chat` as answer and load options, and errors for invalid ones."""

import pytest

from g4run.cli.arguments.checked_options import make_answer_options, make_load_options
from g4run.cli.arguments.options import SharedOptions
from g4run.engine.parameters import SamplingParameters
from g4run.errors import UsageError
from g4run.kv_types import KvType
from g4run.runtime.answers.answer import AnswerOptions
from g4run.runtime.loading import LoadOptions


def test_without_options_googles_defaults_apply() -> None:
    sampling = SamplingParameters(1.0, 64, 0.95, 0.0)
    assert make_answer_options(SharedOptions()) == AnswerOptions(thinking=False, sampling=sampling, seed=None)
    assert make_load_options(SharedOptions()) == LoadOptions()


def test_typed_values_replace_defaults_even_zeros() -> None:
    given = SharedOptions(temperature=0.0, top_p=0.5, top_k=0, min_p=0.1, seed=0, max_tokens=7, stop=["a", "b"])
    sampling = SamplingParameters(0.0, 0, 0.5, 0.1)
    assert make_answer_options(given) == AnswerOptions(sampling=sampling, seed=0, max_tokens=7, stop=("a", "b"))


def test_penalties_and_the_thinking_budget() -> None:
    given = SharedOptions(
        think=True, thinking_budget=0, repeat_penalty=1.1, presence_penalty=0.0, frequency_penalty=-0.5
    )
    sampling = SamplingParameters(repeat_penalty=1.1, presence_penalty=0.0, frequency_penalty=-0.5)
    assert make_answer_options(given) == AnswerOptions(thinking=True, sampling=sampling, thinking_budget=0)


def test_the_rarer_samplers() -> None:
    given = SharedOptions(typical_p=0.5, xtc_probability=0.0, repeat_last_n=-1, dry_multiplier=0.8)
    sampling = SamplingParameters(typical_p=0.5, xtc_probability=0.0, repeat_last_n=-1, dry_multiplier=0.8)
    assert make_answer_options(given) == AnswerOptions(sampling=sampling)


def test_load_options() -> None:
    given = SharedOptions(context_length=4096, kv="Q8_0", gpu_layers=0, cpu_experts=3, force=True)
    assert make_load_options(given) == LoadOptions(
        4096, KvType.Q8_0, gpu_layers=0, cpu_expert_layers=3, ignores_memory=True
    )


def test_json_and_a_grammar_cannot_be_combined() -> None:
    with pytest.raises(UsageError, match="--format and --grammar cannot be used together"):
        make_answer_options(SharedOptions(format="json", grammar="rules.gbnf"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (SharedOptions(temperature=-0.1), "--temperature must be between 0 and 1000000000, not -0.1"),
        (SharedOptions(temperature=float("nan")), "--temperature must be between 0 and 1000000000, not nan"),
        (SharedOptions(temperature=float("inf")), "--temperature must be between 0 and 1000000000, not inf"),
        (SharedOptions(temperature=1e10), "--temperature must be between 0 and 1000000000, not 10000000000.0"),
        (SharedOptions(repeat_penalty=0.0), "--repeat-penalty must be between 0.001 and 1000, not 0.0"),
        (SharedOptions(presence_penalty=1001.0), "--presence-penalty must be between -1000 and 1000, not 1001.0"),
        (
            SharedOptions(frequency_penalty=float("nan")),
            "--frequency-penalty must be between -1000 and 1000, not nan",
        ),
        (SharedOptions(think=True, thinking_budget=-1), "--thinking-budget must be 0 or more, not -1"),
        (SharedOptions(thinking_budget=5), "--thinking-budget needs --think"),
        (SharedOptions(top_p=0.0), "--top-p must be above 0 and at most 1, not 0.0"),
        (SharedOptions(top_p=1.5), "--top-p must be above 0 and at most 1, not 1.5"),
        (SharedOptions(top_k=-1), "--top-k must be 0 or more, not -1"),
        (SharedOptions(top_k=2**31), "--top-k must be at most 2147483647, not 2147483648"),
        (SharedOptions(min_p=-0.5), "--min-p must be between 0 and 1, not -0.5"),
        (SharedOptions(min_p=1.1), "--min-p must be between 0 and 1, not 1.1"),
        (SharedOptions(typical_p=0.0), "--typical-p must be above 0 and at most 1, not 0.0"),
        (SharedOptions(xtc_probability=1.1), "--xtc-probability must be between 0 and 1, not 1.1"),
        (SharedOptions(repeat_last_n=-2), "--repeat-last-n must be -1 or more, not -2"),
        (SharedOptions(repeat_last_n=2**31), "--repeat-last-n must be at most 2147483647, not 2147483648"),
        (SharedOptions(dry_multiplier=-0.1), "--dry-multiplier must be between 0 and 1000, not -0.1"),
        (SharedOptions(seed=-1), "--seed must be between 0 and 4294967294, not -1"),
        (SharedOptions(seed=2**32 - 1), "--seed must be between 0 and 4294967294, not 4294967295"),
        (SharedOptions(max_tokens=0), "--max-tokens must be 1 or more, not 0"),
        (SharedOptions(max_tokens=2**31), "--max-tokens must be at most 2147483647, not 2147483648"),
        (SharedOptions(stop=["ok", ""]), "--stop must not be empty"),
    ],
)
def test_a_number_out_of_range_is_one_sentence(given: SharedOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_answer_options(given)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (SharedOptions(context_length=0), "--ctx must be 1 or more, not 0"),
        (SharedOptions(gpu_layers=-1), "--gpu-layers must be 0 or more, not -1"),
        (SharedOptions(cpu_experts=-1), "--cpu-experts must be 0 or more, not -1"),
        (SharedOptions(kv="f32"), "--kv must be one of f16, q8_0, q4_0, not 'f32'"),
    ],
)
def test_an_invalid_load_option_is_one_sentence(given: SharedOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_load_options(given)
    assert caught.value.message == message


def test_rpc_servers_are_addresses_with_commas() -> None:
    found = make_load_options(SharedOptions(rpc="10.0.0.1:50052, localhost:1,10.0.0.1:50052"))
    assert found.rpc_servers == ("10.0.0.1:50052", "localhost:1")


@pytest.mark.parametrize("typed", ["", ",", "host", "host:", ":1", "host:0", "host:65536", "host:1;host:2"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match=r"^--rpc must "):
        make_load_options(SharedOptions(rpc=typed))
