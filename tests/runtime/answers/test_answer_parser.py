"""Parsing constrained answers: tags are tokens, and text is text."""

import pytest

from g4run.chat.events import EndReason
from g4run.chat.parse import Ended, Event, ResponseParser, TextDelta, ThinkingDelta, ToolCallEvent
from g4run.engine.parameters import ThoughtTokens
from g4run.runtime.answers.answer_parser import AnswerParser

OPEN, CLOSE, TURN, CALL, CALL_END = range(5)
TEXTS = {OPEN: "<|channel>", CLOSE: "<channel|>", TURN: "<turn|>", CALL: "<|tool_call>", CALL_END: "<tool_call|>"}
THOUGHT = ThoughtTokens(OPEN, (9, CLOSE))


def read(*parts: int | str, thought: ThoughtTokens | None = None, is_truncated: bool = False) -> list[Event]:
    """Return the events of an answer of control tokens, given as numbers, and plain tokens, given as text."""
    opens = thought is not None and thought.opens_in_prompt
    parser = AnswerParser(ResponseParser(opens_thought=opens), frozenset(TEXTS), thought, is_constrained=True)
    events: list[Event] = []
    for part in parts:
        events += parser.feed(part, TEXTS[part]) if isinstance(part, int) else parser.feed(9, part)
    return [*events, *parser.finish("", is_truncated=is_truncated)]


def joined(events: list[Event]) -> tuple[str, str, list[str]]:
    """Return the thinking, the text, and the names of the calls."""
    return (
        "".join(event.text for event in events if isinstance(event, ThinkingDelta)),
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        [event.call.name for event in events if isinstance(event, ToolCallEvent)],
    )


@pytest.mark.parametrize("tag", [*TEXTS.values(), '<|"|>', "<|turn>", "<|tool_response>"])
def test_a_tag_spelled_as_text_is_text(tag: str) -> None:
    answer = f'{{"a": "{tag}"}}'
    assert joined(read(answer[:8], answer[8:12], answer[12:], TURN)) == ("", answer, [])


def test_without_a_grammar_the_text_alone_decides() -> None:
    free = AnswerParser(ResponseParser())
    events = [*free.feed(9, "a<turn"), *free.feed(9, ""), *free.feed(9, "|>b"), *free.finish("c", is_truncated=False)]
    assert events == [TextDelta("a"), Ended(EndReason.TURN)]


def test_white_space_around_the_answer_is_part_of_it() -> None:
    assert joined(read(" \n{}", "\n", TURN)) == ("", " \n{}\n", [])


def test_the_end_of_the_turn_is_an_event() -> None:
    assert read("{}", TURN)[-1] == Ended(EndReason.TURN)
    assert read("{}")[-1] == Ended(EndReason.INPUT)


def test_a_thought_comes_first() -> None:
    parts = (OPEN, "thought\n", "hm", "\n", CLOSE, '"<|channel>"', TURN)
    assert joined(read(*parts, thought=THOUGHT)) == ("hm", '"<|channel>"', [])
    opened = ThoughtTokens(OPEN, (9, CLOSE), opens_in_prompt=True)
    assert joined(read("hm", CLOSE, "{}", thought=opened)) == ("hm", "{}", [])
    assert joined(read("{}", thought=THOUGHT)) == ("", "{}", [])


def test_a_thought_ends_with_its_token_only() -> None:
    parts = (OPEN, "thought\n", "a<channel|>b", CLOSE, "{}", TURN)
    assert joined(read(*parts, thought=THOUGHT)) == ("ab", "{}", [])
    ended = (OPEN, "thought\n", "a<turn|>b", CLOSE, '{"<turn|>": 1}', TURN)
    assert joined(read(*ended, thought=THOUGHT))[1:] == ('{"<turn|>": 1}', [])


def test_a_truncated_thought_is_thinking() -> None:
    assert joined(read(OPEN, "thought\n", "hm", thought=THOUGHT, is_truncated=True)) == ("hm", "", [])


def test_calls_are_parsed_from_their_token_on() -> None:
    assert joined(read(CALL, "call:f{}", CALL_END, CALL, "call:g{}", CALL_END)) == ("", "", ["f", "g"])
    assert joined(read("text ", CALL, "call:f{}", CALL_END, TURN)) == ("", "text ", ["f"])
    assert joined(read("<|tool_call>call:f{}<tool_call|>")) == ("", "<|tool_call>call:f{}<tool_call|>", [])


def test_bytes_that_complete_no_character_change_nothing() -> None:
    parser = AnswerParser(ResponseParser(), frozenset(TEXTS), is_constrained=True)
    assert parser.feed(9, "") == []
    assert parser.finish("\ufffd", is_truncated=True) == [TextDelta("\ufffd"), Ended(EndReason.INPUT)]
