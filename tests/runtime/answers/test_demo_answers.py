"""The built-in model's trained answers, through the whole program: rendered, tokenized, decoded, parsed."""

import json
from dataclasses import dataclass
from pathlib import Path

from g4run.chat.openai_shape import parse_conversation
from g4run.engine.parameters import SamplingParameters
from g4run.runtime.answers.answer import Answer, AnswerOptions, FinishReason
from g4run.runtime.model import ChatModel, LoadOptions
from g4run.settings import read_settings
from tests.fakes.library import resolve

CASES = json.loads((Path(__file__).parents[2] / "golden" / "demo_prompts.json").read_text(encoding="utf-8"))
SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Said:
    """An answer without ids and timings."""

    content: str
    thinking: str
    tool_calls: tuple[tuple[str, str], ...]


def said(answer: Answer) -> Said:
    calls = tuple((call.name, json.dumps(call.arguments, sort_keys=True)) for call in answer.tool_calls)
    return Said(answer.content, answer.thinking, calls)


def test_greedy_decoding_gives_the_trained_answers() -> None:
    greedy = SamplingParameters(temperature=0)
    missed: list[str] = []
    with ChatModel.open(resolve("demo"), read_settings(), LoadOptions()) as model:
        for case in CASES:
            options = AnswerOptions(thinking=case["think"], sampling=greedy, max_tokens=300)
            answering = model.answer(parse_conversation(case), options)
            list(answering)
            expected = case["expected"]
            calls = ((each["name"], json.dumps(each["arguments"], sort_keys=True)) for each in expected["tool_calls"])
            if said(answering.result) != Said(expected["content"], expected["thinking"], tuple(calls)):
                missed.append(case["name"])
            wants_tools = bool(expected["tool_calls"])
            assert (answering.result.finish_reason is FinishReason.TOOL_CALLS) == wants_tools or case["name"] in missed
    assert len(CASES) >= 60
    assert len(missed) <= (1 - SHARE) * len(CASES), missed


def test_the_cases_cover_what_the_model_was_trained_for() -> None:
    assert sum(bool(case["think"]) for case in CASES) >= 5
    assert sum(bool(case["tools"]) for case in CASES) >= 5
    assert sum(len(case["messages"]) > 2 for case in CASES) >= 5
    called = {call["name"] for case in CASES for call in case["expected"]["tool_calls"]}
    assert len(called) == 3
