"""A loaded model as the program uses it: the built-in one, in its real engine."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from g4run.chat.messages import Conversation, Message, Role
from g4run.chat.openai_shape import parse_conversation
from g4run.chat.parse import TextDelta, ThinkingDelta
from g4run.chat.render import PromptFormat, render
from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import SamplingParameters
from g4run.errors import DoesNotFit, LoadFailed, WorkerDied
from g4run.runtime.answers.answer import AnswerOptions, FinishReason
from g4run.runtime.answers.prompt import tokenize_prompt
from g4run.runtime.model import ChatModel, LoadOptions
from g4run.settings import read_settings
from tests.fakes.library import resolve
from tests.runtime.answers.answers import HELLO, answer

CASES = json.loads((Path(__file__).parents[1] / "golden" / "demo_prompts.json").read_text(encoding="utf-8"))
GREEDY = AnswerOptions(sampling=SamplingParameters(temperature=0))
ENDLESS = AnswerOptions(sampling=SamplingParameters(temperature=1e6, top_k=0, top_p=1), seed=8)  # a dice: 525 draws


def test_the_events_joined_are_the_answer(model: ChatModel) -> None:
    answering = model.answer(HELLO, replace(GREEDY, thinking=True))
    events = list(answering)
    result = answering.result
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == result.content
    assert "".join(event.text for event in events if isinstance(event, ThinkingDelta)) == result.thinking
    assert result.content
    assert result.finish_reason is FinishReason.STOP


def test_greedy_answers_are_the_same_to_the_byte(model: ChatModel) -> None:
    first, second = answer(model, GREEDY), answer(model, GREEDY)
    assert first.content == second.content
    assert first.seed != second.seed  # drawn anew, and told


def test_a_stop_string_cuts_the_answer_and_says_stop(model: ChatModel) -> None:
    whole = answer(model, GREEDY).content
    stop = whole[6:9]
    cut = answer(model, replace(GREEDY, stop=(stop,)))
    assert cut.content == whole[: whole.index(stop)]
    assert cut.finish_reason is FinishReason.STOP


def test_a_stop_string_ends_the_work_too(model: ChatModel) -> None:
    whole = answer(model, ENDLESS)
    cut = answer(model, replace(ENDLESS, stop=(whole.content[:1],)))
    assert cut.content == ""
    assert cut.usage.completion_tokens < whole.usage.completion_tokens


def test_a_partial_stop_string_at_the_end_is_kept(model: ChatModel) -> None:
    whole = answer(model, GREEDY).content
    assert answer(model, replace(GREEDY, stop=(f"{whole[-1]} and on",))).content == whole


def test_the_rate_excludes_the_first_token(model: ChatModel) -> None:
    result = answer(model, GREEDY)
    decoded = result.usage.completion_tokens - 1
    expected = decoded / result.timings.generation_seconds
    assert result.timings.generation_tokens_per_second == pytest.approx(expected)


def test_max_tokens_cuts_the_answer_and_says_length(model: ChatModel) -> None:
    whole, cut = answer(model, GREEDY), answer(model, replace(GREEDY, max_tokens=2))
    assert whole.content.startswith(cut.content)
    assert (cut.finish_reason, cut.usage.completion_tokens) == (FinishReason.LENGTH, 2)


def test_a_seed_repeats_a_hot_answer(model: ChatModel) -> None:
    hot = AnswerOptions(sampling=SamplingParameters(temperature=5, top_k=0, top_p=1), max_tokens=30)
    first, again, other = (answer(model, replace(hot, seed=seed)) for seed in (11, 11, 12))
    assert (first.content, first.seed) == (again.content, 11)
    assert first.content != other.content


def test_usage_counts_the_prompt_and_the_end_token(model: ChatModel) -> None:
    result = answer(model, replace(GREEDY, logprobs=0))
    vocabulary = Vocabulary(resolve("demo").path, CONTROL_TEXTS)
    prompt = render(HELLO, PromptFormat.SMALL, thinking=False)
    assert result.usage.prompt_tokens == len(tokenize_prompt(prompt, vocabulary).tokens)
    assert result.logprobs is not None
    assert result.usage.completion_tokens == len(result.logprobs)
    assert "".join(each.text for each in result.logprobs) == result.content + "<turn|>"


def test_loading_is_in_the_first_answers_timings_only(model: ChatModel) -> None:
    with ChatModel.open(resolve("demo"), read_settings(), LoadOptions(512)) as fresh:
        first, second = answer(fresh, GREEDY).timings, answer(fresh, GREEDY).timings
    assert first.load_seconds == fresh.load_seconds > 0
    assert first.total_seconds > first.load_seconds + first.prompt_seconds
    assert second.load_seconds == 0
    assert first.generation_tokens_per_second > 0


def test_a_cancelled_answer_keeps_its_text(model: ChatModel) -> None:
    answering = model.answer(HELLO, ENDLESS)
    for number, _ in enumerate(answering):
        if number == 3:
            answering.cancel()
    assert answering.result.finish_reason is FinishReason.CANCELLED
    assert answering.result.content


def test_a_prompt_beyond_the_context_names_its_length(model: ChatModel) -> None:
    long = Conversation((Message.of(Role.USER, "word " * 5000),))
    with pytest.raises(
        DoesNotFit, match=r"the prompt has [\d,]+ tokens, but the context holds 4,096 including the answer"
    ):
        answer(model, GREEDY, long)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with")
def test_a_killed_engine_fails_the_answer_and_the_next_one_comes(model: ChatModel) -> None:
    before = answer(model, GREEDY).content
    answering = model.answer(HELLO, ENDLESS)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        for number, _ in enumerate(answering):
            if number == 3:
                os.kill(model._engine.worker_pid or 0, signal.SIGKILL)
    after = answer(model, GREEDY)
    assert after.content == before
    assert after.timings.total_seconds > after.timings.load_seconds > 0  # the new engine's loading
    assert answer(model, GREEDY).timings.load_seconds == 0


def test_every_event_before_a_failure_is_delivered(model: ChatModel) -> None:
    answering = model.answer(HELLO, GREEDY)
    with pytest.raises(RuntimeError, match="the answer has not ended"):
        _ = answering.result
    list(answering)


TOOLS = next(case for case in CASES if case["expected"]["tool_calls"] and not case["think"])


def test_a_tool_call_has_an_id_of_its_own_and_ends_the_answer(model: ChatModel) -> None:
    first, second = (answer(model, GREEDY, parse_conversation(TOOLS)) for _ in range(2))
    assert first.finish_reason is FinishReason.TOOL_CALLS
    (call,), (again,) = first.tool_calls, second.tool_calls
    assert call.name == TOOLS["expected"]["tool_calls"][0]["name"]
    assert call.id.startswith("call_") and call.id != again.id


def test_a_tool_call_that_the_limit_cuts_is_text_and_no_call(model: ChatModel) -> None:
    whole = answer(model, GREEDY, parse_conversation(TOOLS))
    cut = answer(model, replace(GREEDY, max_tokens=whole.usage.completion_tokens - 4), parse_conversation(TOOLS))
    assert (cut.tool_calls, cut.finish_reason) == ((), FinishReason.LENGTH)
    assert cut.content.startswith("<|tool_call>call:")


def test_the_format_follows_the_architecture(model: ChatModel) -> None:
    large = resolve("demo")
    large = structs.replace(large, architecture=structs.replace(large.architecture, per_layer_embedding_length=0))
    with ChatModel.open(large, read_settings(), LoadOptions(512)) as other:
        added = answer(other, GREEDY).usage.prompt_tokens - answer(model, GREEDY).usage.prompt_tokens
    assert added > 0  # the empty thought


def test_a_model_that_does_not_load_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Engine] = []
    close = Engine.close

    def close_and_note(engine: Engine) -> None:
        close(engine)
        closed.append(engine)

    monkeypatch.setattr(Engine, "close", close_and_note)
    missing = structs.replace(resolve("demo"), path=Path("/nowhere.gguf"))
    with pytest.raises(LoadFailed):
        ChatModel.open(missing, read_settings(), LoadOptions(512))
    assert [engine.is_alive for engine in closed] == [False]
