"""The built-in model held to a form: JSON, a schema, a grammar, calls, a budget, a deadline; and what it kept."""

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from g4run.chat.messages import Conversation, JsonValue, Message, Role, Tool
from g4run.chat.openai_shape import parse_conversation
from g4run.chat.structured_output.grammar import Grammar, GrammarNotation
from g4run.engine.parameters import SamplingParameters
from g4run.errors import UsageError
from g4run.runtime.answers.answer import AnswerOptions, FinishReason, JsonFormat, NamedTool, ToolChoice
from g4run.runtime.model import ChatModel
from tests.runtime.answers.answers import HELLO, answer

CASES = json.loads((Path(__file__).parents[2] / "golden" / "demo_prompts.json").read_text(encoding="utf-8"))
CALLING = parse_conversation(next(case for case in CASES if case["expected"]["tool_calls"] and not case["think"]))
GREEDY = AnswerOptions(sampling=SamplingParameters(temperature=0), max_tokens=300)
WILD = SamplingParameters(temperature=2.0, top_k=0, top_p=1.0)
TAGS: JsonValue = {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1}
SCHEMA: JsonValue = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 3},
        "size": {"type": ["integer", "null"], "minimum": 3, "maximum": 40},
    },
    "required": ["name", "tags", "size"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_an_answer_satisfies_its_schema(model: ChatModel, seed: int, thinking: bool) -> None:
    options = AnswerOptions(thinking, WILD, seed, 400, response_format=JsonFormat(SCHEMA), thinking_budget=30)
    found = answer(model, options)
    assert found.finish_reason is FinishReason.STOP
    jsonschema.validate(json.loads(found.content), SCHEMA)


@pytest.mark.parametrize("max_tokens", [*range(21, 60, 4), 90])  # the shortest takes 21
def test_an_answer_that_meets_its_limit_satisfies_its_schema(model: ChatModel, max_tokens: int) -> None:
    names: JsonValue = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema: JsonValue = {"allOf": [names, {"type": "object", "properties": {"tags": TAGS}, "required": ["tags"]}]}
    found = answer(model, AnswerOptions(False, WILD, max_tokens, max_tokens, response_format=JsonFormat(schema)))
    jsonschema.validate(json.loads(found.content), schema)
    assert found.usage.completion_tokens <= max_tokens


def test_the_limit_is_the_reason_that_is_given(model: ChatModel) -> None:
    held = replace(
        GREEDY, max_tokens=4, response_format=JsonFormat({"type": "array", "items": {"const": 7}, "minItems": 1})
    )
    seven, forty = (answer(model, replace(held, max_tokens=most)) for most in (7, 40))
    assert (seven.finish_reason, forty.finish_reason) == (FinishReason.LENGTH, FinishReason.LENGTH)
    assert set(json.loads(seven.content)) == set(json.loads(forty.content)) == {7}
    assert len(seven.content) < len(forty.content)


def test_calls_that_meet_their_limit_are_calls(model: ChatModel) -> None:
    words: dict[str, JsonValue] = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    tools = Conversation(HELLO.messages, (Tool("write", "", words),))
    wordy = replace(GREEDY, sampling=WILD, seed=1, tool_choice=ToolChoice.REQUIRED, max_tokens=24)
    found = answer(model, wordy, tools)
    assert [call.name for call in found.tool_calls] == ["write"]
    assert (found.content, found.finish_reason) == ("", FinishReason.LENGTH)


def test_json_mode_gives_an_object_and_the_thought_stays_free(model: ChatModel) -> None:
    held = replace(GREEDY, response_format=JsonFormat(), thinking=True)
    found, free = answer(model, held), answer(model, replace(GREEDY, thinking=True))
    assert isinstance(json.loads(found.content), dict)
    assert found.thinking == free.thinking != ""


def test_text_that_spells_tags_stays_text(model: ChatModel) -> None:
    spelled = '{"a": "<|tool_call>call:f{}<tool_call|> <turn|> <|channel>final"}'
    properties = {name: {"const": value} for name, value in json.loads(spelled).items()}
    schema: JsonValue = {"type": "object", "properties": properties, "required": list(properties)}
    found = answer(model, replace(GREEDY, response_format=JsonFormat(schema)))
    assert (json.loads(found.content), found.tool_calls, found.thinking) == (json.loads(spelled), (), "")
    assert found.finish_reason is FinishReason.STOP


def test_a_grammar_is_followed(model: ChatModel) -> None:
    assert answer(model, replace(GREEDY, grammar=Grammar('root ::= "x" [0-9]{3} "é"'))).content[::4] == "xé"


def test_a_grammar_in_lark_and_an_expression_are_followed(model: ChatModel) -> None:
    lark = Grammar('start: ("x" | "y"){3} NUMBER\nNUMBER: /[0-9]{2}/', GrammarNotation.LARK)
    assert re.fullmatch("[xy]{3}[0-9]{2}", answer(model, replace(GREEDY, grammar=lark)).content)
    regex = Grammar("^(yes|no)/[a-c]{2}$", GrammarNotation.REGEX)
    assert re.fullmatch("(yes|no)/[a-c]{2}", answer(model, replace(GREEDY, grammar=regex)).content)


def test_a_model_that_must_call_does(model: ChatModel) -> None:
    tools = Conversation(HELLO.messages, (Tool("ping"), Tool("find", "", {"type": "object", "properties": {}})))
    assert answer(model, GREEDY, tools).tool_calls == ()
    for choice in (ToolChoice.REQUIRED, NamedTool("find")):
        found = answer(model, replace(GREEDY, tool_choice=choice), tools)
        assert found.finish_reason is FinishReason.TOOL_CALLS
        assert found.content == ""
        names = {call.name for call in found.tool_calls}
        assert names and names <= ({"ping", "find"} if choice is ToolChoice.REQUIRED else {"find"})


def test_a_model_that_must_not_call_does_not(model: ChatModel) -> None:
    assert answer(model, GREEDY, CALLING).tool_calls
    found = answer(model, replace(GREEDY, tool_choice=ToolChoice.NONE), CALLING)
    assert (found.tool_calls, "<|tool_call>" in found.content) == ((), False)


def test_tools_may_be_called_in_place_of_json(model: ChatModel) -> None:
    free, held = (answer(model, replace(GREEDY, response_format=form), CALLING) for form in (None, JsonFormat(SCHEMA)))
    assert [(call.name, call.arguments) for call in held.tool_calls] == [
        (call.name, call.arguments) for call in free.tool_calls
    ]
    assert held.content == ""


@pytest.mark.parametrize("budget", [0, 1, 3])
def test_a_thought_ends_with_its_budget_and_the_answer_comes(model: ChatModel, budget: int) -> None:
    thinking = replace(GREEDY, thinking=True)
    whole, cut = answer(model, thinking), answer(model, replace(thinking, thinking_budget=budget))
    assert whole.thinking.startswith(cut.thinking) and len(cut.thinking) < len(whole.thinking)
    assert (cut.thinking == "") is (budget == 0)
    assert cut.content
    assert cut.finish_reason is FinishReason.STOP


def test_a_budget_that_is_not_reached_changes_nothing(model: ChatModel) -> None:
    thinking = replace(GREEDY, thinking=True)
    free, held = answer(model, thinking), answer(model, replace(thinking, thinking_budget=250))
    assert (free.thinking, free.content) == (held.thinking, held.content)


def test_white_space_without_end_is_a_loop_and_is_closed(model: ChatModel) -> None:
    found = answer(
        model, replace(GREEDY, max_tokens=None, grammar=Grammar('root ::= "a" " "* "b"'), sampling=_spaces(model))
    )
    assert found.finish_reason is FinishReason.LOOP
    assert found.content.split() == ["a", "b"]


def _spaces(model: ChatModel) -> SamplingParameters:
    """Spaces rather than anything else."""
    spaces = [token for token in range(len(model._vocabulary)) if model._vocabulary.piece(token) == b" "]
    return SamplingParameters(temperature=0, logit_bias=tuple((token, 100.0) for token in spaces))


def test_the_token_that_ends_a_text_is_no_part_of_it(model: ChatModel) -> None:
    ends = [token for token in range(len(model._vocabulary)) if model._vocabulary.piece(token) == b"<eos>"]
    likely = SamplingParameters(temperature=0, logit_bias=tuple((token, 1000.0) for token in ends))
    found = answer(model, replace(GREEDY, sampling=likely))
    assert (found.content, found.finish_reason) == ("", FinishReason.STOP)


def test_a_deadline_ends_an_answer(model: ChatModel) -> None:
    found = answer(model, AnswerOptions(sampling=WILD, seed=1, deadline_seconds=1e-6))
    assert (found.finish_reason, found.content) == (FinishReason.DEADLINE, "")


def test_where_no_token_can_follow_the_answer_failed(model: ChatModel) -> None:
    every = tuple((token, -float("inf")) for token in range(len(model._vocabulary)))
    found = answer(model, replace(GREEDY, sampling=SamplingParameters(logit_bias=every)))
    assert (found.finish_reason, found.content) == (FinishReason.FAILED, "")


def test_what_only_the_engine_can_refuse_is_the_person_s_to_mend(model: ChatModel) -> None:
    with pytest.raises(UsageError, match="grammar: the model has no token <nonsense>"):
        answer(model, replace(GREEDY, grammar=Grammar("root ::= <nonsense>")))
    assert answer(model, GREEDY).content


@pytest.mark.parametrize("thinking", [False, True])
def test_the_next_turn_costs_its_new_tokens_only(model: ChatModel, thinking: bool) -> None:
    options = replace(GREEDY, thinking=thinking)
    opening = Message.of(Role.SYSTEM, f"You are the keeper of lighthouse {thinking}.")
    question = Message.of(Role.USER, "My name is Anna.")
    first = answer(model, options, Conversation((opening, question)))
    reply = Message.of(Role.ASSISTANT, first.content)
    again = Conversation((opening, question, reply, Message.of(Role.USER, "What is my name?")))
    second = answer(model, options, again)
    said = first.usage.completion_tokens - 1  # the last token was drawn, and not computed
    assert second.usage.cached_tokens == first.usage.prompt_tokens + (0 if thinking else said)
    rate = second.usage.evaluated_tokens / second.timings.prompt_seconds
    assert second.timings.prompt_tokens_per_second == pytest.approx(rate)
    fresh = answer(model, replace(options, deadline_seconds=60), again)
    assert fresh.content == second.content
