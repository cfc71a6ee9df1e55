from dataclasses import replace

import pytest

from g4run.chat.messages import Conversation, MediaPart, Message, Role, ToolCall
from g4run.chat.render import PromptFormat, render
from g4run.cli.views.answer import (
    answer_value,
    prompt_value,
    render_end_note,
    render_greeting,
    render_media_slots,
    render_timings,
    render_tool_call,
)
from g4run.cli.views.errors import error_value, render_error
from g4run.cli.views.plan import settings_value
from g4run.errors import ModelNotFound, WorkerDied
from g4run.planner.placement import plan_model
from g4run.planner.values import PlanRequest
from g4run.runtime.answers.answer import Answer, AnswerOptions, FinishReason, JsonFormat, Timings, Usage
from g4run.runtime.loading import shape_of_file
from tests.fakes.library import resolve
from tests.planner.machines import machine

PLAN = plan_model(shape_of_file(resolve("demo")), machine(16), PlanRequest())
CALL = ToolCall("get_weather", {"city": "Köln", "days": 2})

ANSWER = Answer(
    content="It rains.",
    thinking="I look.",
    tool_calls=(CALL,),
    finish_reason=FinishReason.TOOL_CALLS,
    usage=Usage(prompt_tokens=26, completion_tokens=298, cached_tokens=4),
    timings=Timings(1.1, 0.13, 2.9, 4.2, 200.0, 102.76),
    seed=42,
)


def test_an_error_is_a_sentence_and_a_hint() -> None:
    error = ModelNotFound("there is no model x", "g4run run demo")
    assert render_error(error) == "Error: there is no model x\nHint: g4run run demo\n"
    assert render_error(WorkerDied("it died")) == "Error: it died\n"
    assert error_value(error) == {
        "error": {"code": "model_not_found", "message": "there is no model x", "hint": "g4run run demo"}
    }


def test_an_answer_as_json() -> None:
    assert answer_value("demo", ANSWER, PLAN, hide_thinking=False) == {
        "model": "demo",
        "content": "It rains.",
        "thinking": "I look.",
        "tool_calls": [
            {
                "id": "",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Köln", "days": 2}'},
            }
        ],
        "finish_reason": "tool_calls",
        "usage": {
            "prompt_tokens": 26,
            "completion_tokens": 298,
            "cached_tokens": 4,
            "drafted_tokens": 0,
            "accepted_tokens": 0,
            "total_tokens": 324,
        },
        "timings": {
            "load_seconds": 1.1,
            "prompt_seconds": 0.13,
            "generation_seconds": 2.9,
            "total_seconds": 4.2,
            "prompt_tokens_per_second": 200.0,
            "generation_tokens_per_second": 102.76,
            "draft_gain": 1.0,
        },
        "seed": 42,
        "placement": "cpu",
        "settings": settings_value(PLAN),
    }
    assert answer_value("demo", ANSWER, PLAN, hide_thinking=True)["thinking"] is None


def test_timings_are_eight_lines() -> None:
    assert render_timings(ANSWER) == (
        "total duration:       4.20s\n"
        "load duration:        1.10s\n"
        "prompt eval count:    22 token(s), 4 from cache\n"
        "prompt eval duration: 130ms\n"
        "prompt eval rate:     200.00 tokens/s\n"
        "eval count:           298 token(s)\n"
        "eval duration:        2.90s\n"
        "eval rate:            102.76 tokens/s\n"
    )


@pytest.mark.parametrize(("gain", "verdict"), [(1.7, "on, 1.70x speedup"), (1.0, "off, no measured speedup")])
def test_drafting_adds_acceptance_and_speedup(gain: float, verdict: str) -> None:
    usage = Usage(26, 298, 0, drafted_tokens=80, accepted_tokens=50)
    lines = render_timings(replace(ANSWER, usage=usage, timings=replace(ANSWER.timings, draft_gain=gain))).splitlines()
    assert (lines[2], lines[8:]) == (
        "prompt eval count:    26 token(s)",
        ["draft acceptance:     50 of 80 token(s), 62%", f"drafting:             {verdict}"],
    )


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        (FinishReason.STOP, ""),
        (FinishReason.TOOL_CALLS, ""),
        (FinishReason.CANCELLED, ""),
        (FinishReason.LENGTH, "Note: the answer was cut off at 298 tokens (--max-tokens)\n"),
        (FinishReason.LOOP, "Note: the answer was ended early: its grammar let it repeat itself forever\n"),
        (FinishReason.DEADLINE, "Note: the answer was cut off: it ran out of time\n"),
        (
            FinishReason.FAILED,
            "Note: the answer was cut off: no token was allowed, or its grammar is too ambiguous\n",
        ),
    ],
)
def test_an_unexpected_end_is_explained(reason: FinishReason, note: str) -> None:
    assert render_end_note(replace(ANSWER, finish_reason=reason), AnswerOptions(max_tokens=298), 4096) == note


@pytest.mark.parametrize(
    ("max_tokens", "context_length", "limit"),
    [
        (298, 4096, " at 298 tokens (--max-tokens)"),
        (298, 323, " at 298 tokens (--max-tokens)"),
        (299, 323, ": the context of 323 tokens is full (--ctx)"),
        (None, 323, ": the context of 323 tokens is full (--ctx)"),
    ],
)
def test_a_limited_answer_names_its_limit(max_tokens: int | None, context_length: int, limit: str) -> None:
    answer = replace(ANSWER, finish_reason=FinishReason.LENGTH)
    free, held = (
        AnswerOptions(max_tokens=max_tokens),
        AnswerOptions(max_tokens=max_tokens, response_format=JsonFormat()),
    )
    assert render_end_note(answer, free, context_length) == f"Note: the answer was cut off{limit}\n"
    assert render_end_note(answer, held, context_length) == f"Note: the answer was ended early{limit}\n"


def test_a_tool_call_and_a_greeting() -> None:
    assert render_tool_call(CALL) == 'get_weather({"city": "Köln", "days": 2})'
    assert (
        render_greeting("demo", 8192) == "demo is ready, with a context of 8,192 tokens; /help lists the commands.\n\n"
    )


def test_prompt_pieces_separate_typed_text_from_control_tokens() -> None:
    message = Message.of(
        Role.USER, "<|turn>?", MediaPart("image", "cat.png"), MediaPart("audio", "data:audio/wav;base64," + "A" * 99)
    )
    prompt = render(Conversation((message,)), PromptFormat.SMALL, thinking=False)
    assert prompt_value("demo", prompt) == {
        "model": "demo",
        "prompt": "<bos><|turn>user\n<|turn>?<|image|><|audio|><turn|>\n<|turn>model\n",
        "pieces": [
            {"kind": "control", "text": "<bos>"},
            {"kind": "control", "text": "<|turn>"},
            {"kind": "text", "text": "user\n<|turn>?"},
            {"kind": "image", "text": "<|image|>"},
            {"kind": "audio", "text": "<|audio|>"},
            {"kind": "control", "text": "<turn|>"},
            {"kind": "text", "text": "\n"},
            {"kind": "control", "text": "<|turn>"},
            {"kind": "text", "text": "model\n"},
        ],
        "media": [
            {"kind": "image", "source": "cat.png"},
            {"kind": "audio", "source": "data:audio/wav;base64,AAAAAAAAAAAAAAAAAAAAAAAAA..."},
        ],
    }
    assert render_media_slots(prompt) == (
        "slot 1: image, cat.png\nslot 2: audio, data:audio/wav;base64,AAAAAAAAAAAAAAAAAAAAAAAAA...\n"
    )
