"""Speculation through the engine's own process: the same tokens, with a drafter and without."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from g4run.engine.client import Engine
from g4run.engine.parameters import GenerationParameters, SamplingParameters
from tests.engine.requests import GREEDY, generate, tokens_of
from tests.engine.speculation.conftest import PARAMETERS


@pytest.fixture(scope="module", params=[PARAMETERS.drafter_path, None], ids=["drafter", "lookup"])
def drafting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(replace(PARAMETERS, drafter_path=request.param), tmp_path_factory.mktemp("logs"))
    yield engine
    engine.close()


@pytest.mark.parametrize("sampling", [GREEDY, SamplingParameters(temperature=1.5, seed=3)], ids=["greedy", "sampled"])
def test_the_answer_is_the_same_with_and_without(
    drafting: Engine, prompts: list[list[int]], sampling: SamplingParameters
) -> None:
    plainly = GenerationParameters(max_tokens=80, sampling=sampling, speculates=False)
    drafted = 0
    for prompt in prompts[::12]:
        plain, plain_end = generate(drafting, prompt, plainly)
        guessed, guessed_end = generate(drafting, prompt, replace(plainly, speculates=True))
        assert tokens_of(guessed) == tokens_of(plain)
        assert (guessed_end.reason, plain_end.drafted_tokens) == (plain_end.reason, 0)
        assert guessed_end.accepted_tokens <= guessed_end.drafted_tokens
        drafted += guessed_end.drafted_tokens
    assert drafted > 0 or sampling is not GREEDY
