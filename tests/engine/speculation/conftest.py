"""The built-in model and its drafter in this process, and its prompts as tokens."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from g4run.chat.openai_shape import parse_conversation
from g4run.chat.render import PromptFormat, render
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.llama import api as llama
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import LoadParameters
from g4run.engine.speculation.mtp import MtpDrafter
from g4run.runtime.answers.prompt import tokenize_prompt
from tests.engine.requests import DEMO, DRAFTER

CASES = json.loads((Path(__file__).parents[2] / "golden" / "demo_prompts.json").read_text(encoding="utf-8"))
PARAMETERS = LoadParameters(
    os.fsencode(DEMO),
    context_length=2048,
    threads=1,
    sequences=8,
    micro_batch=256,
    drafter_path=os.fsencode(DRAFTER),
)


@pytest.fixture(scope="session")
def model() -> llama.Model:
    llama.initialize_backend()
    return llama.Model(PARAMETERS, lambda _fraction: None)


@pytest.fixture
def context(model: llama.Model) -> llama.Context:
    return llama.Context(model, PARAMETERS)


@pytest.fixture
def drafter(model: llama.Model, context: llama.Context) -> Iterator[MtpDrafter]:
    drafter = MtpDrafter(PARAMETERS, model, context)
    yield drafter
    drafter.close()


@pytest.fixture(scope="session")
def prompts() -> list[list[int]]:
    vocabulary = Vocabulary(DEMO, CONTROL_TEXTS)
    conversations = [(parse_conversation({**case, "tools": case["tools"] or []}), case["think"]) for case in CASES]
    rendered = [render(conversation, PromptFormat.SMALL, thinking=think) for conversation, think in conversations]
    return [list(tokenize_prompt(prompt, vocabulary).tokens) for prompt in rendered]
