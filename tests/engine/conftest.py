"""One engine of the built-in model per test file."""

import os
from collections.abc import Iterator

import pytest

from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import LoadParameters
from tests.engine.requests import DEMO


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with_two = LoadParameters(os.fsencode(DEMO), context_length=2048, threads=1, sequences=2, micro_batch=32)
    engine = Engine(with_two, tmp_path_factory.mktemp("logs"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def vocabulary() -> Iterator[Vocabulary]:
    vocabulary = Vocabulary(DEMO, CONTROL_TEXTS)
    yield vocabulary
    vocabulary.close()


@pytest.fixture(scope="module")
def prompt(vocabulary: Vocabulary) -> list[int]:
    control = vocabulary.control_token
    turn = [control("<|turn>"), *vocabulary.tokenize("user\nHello!"), control("<turn|>"), *vocabulary.tokenize("\n")]
    return [control("<bos>"), *turn, control("<|turn>"), *vocabulary.tokenize("model\n")]
