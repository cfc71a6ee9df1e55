"""Speculation in the engine's process gives the same tokens with a drafter and without."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

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
def test_the_answer_is_the_same_with_and_without_speculation(
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


WITHOUT_SYMBOLS = """
import os, sys
sys.modules["llama_cpp.llama_cpp_ext"] = None  # as if the import failed without them
from g4run.engine.llama import api as llama
from g4run.engine.worker.generator import Generator
from g4run.engine.parameters import GenerationParameters, SamplingParameters
from g4run.engine.protocol import Finished, Submit
from tests.engine.speculation.conftest import PARAMETERS
llama.initialize_backend()
reports = []
generator = Generator(PARAMETERS, reports.append, lambda _fraction: None)
generator.submit(Submit(1, [2, 10, 11, 12], GenerationParameters(30, SamplingParameters(temperature=0))))
while not generator.is_idle:
    generator.step()
print([report.generated_tokens for report in reports if isinstance(report, Finished)])
print([sampled.token for report in reports if not isinstance(report, Finished) for sampled in report.sampled])
"""


def test_a_library_without_hidden_states_answers_without_a_drafter(drafting: Engine) -> None:
    parameters = GenerationParameters(max_tokens=30, sampling=GREEDY)
    expected, _ = generate(drafting, [2, 10, 11, 12], parameters)
    run = subprocess.run([sys.executable, "-c", WITHOUT_SYMBOLS], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [str([len(expected)]), str(tokens_of(expected))]
    message = "g4run: the drafter is not used: this build of llama.cpp does not expose the hidden states"
    assert any(line.startswith(message) for line in run.stderr.splitlines())


def test_a_file_that_is_not_a_drafter_leaves_the_model_usable(tmp_path: Path) -> None:
    engine = Engine(replace(PARAMETERS, drafter_path=PARAMETERS.model_path), tmp_path)
    sampled, _ = generate(engine, [2, 10, 11, 12], GenerationParameters(max_tokens=5, sampling=GREEDY))
    assert sampled and engine.log_path is not None
    log = engine.log_path.read_text("utf-8", "replace")
    assert "g4run: the drafter is not used: a drafter must have the architecture gemma4-assistant, not gemma4\n" in log
    engine.close()
