import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.chat import tokens
from g4run.chat.messages import Conversation, Message, Role, TextPart, ToolCall
from g4run.chat.openai_shape import parse_conversation
from g4run.chat.parse import Ended, EndReason, Event, ResponseParser, TextDelta, ThinkingDelta, ToolCallEvent
from g4run.chat.render import PromptFormat, render, strip_thoughts
from tests.chat.answers import CASES, Case, call

GOLDENS = sorted((Path(__file__).parent.parent / "golden" / "prompts").glob("*.json"))


def parse_pieces(pieces: Iterable[str], *, opens_thought: bool = False, is_truncated: bool = False) -> list[Event]:
    """Return the events of a split answer, with adjacent deltas of one kind joined."""
    parser = ResponseParser(opens_thought=opens_thought)
    events: list[Event] = []
    for event in [event for piece in pieces for event in parser.feed(piece)] + parser.finish(is_truncated=is_truncated):
        match events[-1:], event:
            case [TextDelta(before)], TextDelta(text):
                events[-1] = TextDelta(before + text)
            case [ThinkingDelta(before)], ThinkingDelta(text):
                events[-1] = ThinkingDelta(before + text)
            case _:
                events.append(event)
    return events


def parse_whole(text: str) -> list[Event]:
    return parse_pieces([text])


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thinking_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ThinkingDelta))


def calls_of(events: list[Event]) -> tuple[ToolCall, ...]:
    return tuple(event.call for event in events if isinstance(event, ToolCallEvent))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer_in_one_piece(case: Case) -> None:
    events = parse_pieces([case.written], opens_thought=case.opens_thought, is_truncated=case.is_truncated)
    assert text_of(events) == case.text
    assert thinking_of(events) == case.thinking
    assert calls_of(events) == case.calls
    assert [event for event in events if isinstance(event, Ended)] == events[-1:] == [Ended(case.reason)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_split_answer(case: Case) -> None:
    def parse(*pieces: str) -> list[Event]:
        return parse_pieces(pieces, opens_thought=case.opens_thought, is_truncated=case.is_truncated)

    whole = parse(case.written)
    assert parse(*case.written) == whole
    for position in range(len(case.written)):
        assert parse(case.written[:position], case.written[position:]) == whole


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_rendered_assistant_messages_round_trip(path: Path) -> None:
    conversation = parse_conversation(json.loads(path.read_text(encoding="utf-8"))["conversation"])
    for message in conversation.messages:
        if message.role is Role.ASSISTANT and not message.media and not message.tool_responses:
            check_round_trip(message)


def check_round_trip(message: Message) -> None:
    """Check that a rendered message parses to the same message, however it is split."""
    prompt = render(Conversation((message,)), PromptFormat.SMALL, thinking=False, add_generation_prompt=False)
    written = prompt.text.removeprefix(tokens.BOS)
    events = parse_whole(written)
    assert parse_pieces(written) == events
    for position in range(len(written)):
        assert parse_pieces([written[:position], written[position:]]) == events
    supplied = message.thinking + "".join(str(call.arguments) for call in message.tool_calls)
    if any(control in supplied for control in tokens.CONTROL_TEXTS):
        return  # the notation cannot tell such text from tags
    assert thinking_of(events) == message.thinking
    assert text_of(events) == "".join(
        strip_thoughts(part.text) for part in message.content if isinstance(part, TextPart)
    )
    assert calls_of(events) == tuple(ToolCall(call.name, call.arguments) for call in message.tool_calls)


SOUP = st.sampled_from(
    (
        *tokens.CONTROL_TEXTS,
        *(
            "thought\n",
            "final\n",
            "model\n",
            "call:",
            "f",
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "a",
            "1",
            '"',
            "'",
            "\\",
            " ",
            "\n",
        ),
        *("<", "<|", "|>", ">", "é", "\ud800"),
    )
)


@given(st.lists(SOUP, max_size=30), st.data(), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=300)
def test_any_text_parses_the_same_however_it_is_split(
    words: list[str], data: st.DataObject, opens_thought: bool, is_truncated: bool
) -> None:
    text = "".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = parse_pieces([text], opens_thought=opens_thought, is_truncated=is_truncated)
    assert parse_pieces(pieces, opens_thought=opens_thought, is_truncated=is_truncated) == whole
    assert parse_pieces(text, opens_thought=opens_thought, is_truncated=is_truncated) == whole
    assert isinstance(whole[-1], Ended)


def test_text_is_emitted_as_soon_as_it_cannot_be_a_tag() -> None:
    parser = ResponseParser()
    fed = ["Hel", "lo <", "b> <|", "chan", "x", "<|channel>th", "ought\nH", "m.\n", "\n<chan", "nel|>Y", "es"]
    assert [parser.feed(piece) for piece in fed] == [
        [TextDelta("Hel")],
        [TextDelta("lo ")],
        [TextDelta("<b> ")],
        [],
        [TextDelta("<|chanx")],
        [],
        [ThinkingDelta("H")],
        [ThinkingDelta("m.")],
        [ThinkingDelta("\n")],
        [TextDelta("Y")],
        [TextDelta("es")],
    ]


def test_a_call_is_emitted_at_its_closing_tag() -> None:
    parser = ResponseParser()
    assert parser.feed("<|tool_call>call:f{a:1}") == []
    assert parser.feed("<tool_call|>") == [ToolCallEvent(call("f", a=1))]


def test_nothing_is_emitted_after_the_end() -> None:
    parser = ResponseParser()
    assert parser.feed("a<turn|>b") == [TextDelta("a"), Ended(EndReason.TURN)]
    assert parser.feed("c") == []
    assert parser.finish() == []


def test_a_long_answer_in_single_characters() -> None:
    thought, answer = "Hm. <\n" * 10_000, "Yes. <|\n" * 10_000
    events = parse_pieces(f"<|channel>thought\n{thought}\n<channel|>{answer}")
    assert events == [ThinkingDelta(thought), TextDelta(answer), Ended(EndReason.INPUT)]


@pytest.mark.parametrize(
    "inside",
    [
        "[" * 50_000,
        '"' * 50_000,
        "x," * 25_000,
        "{" * 50_000,
        "' " * 25_000,
        "a:1 " * 12_000,
        '{"' * 25_000,
        "{'{\"" * 12_000,
    ],
)
def test_a_long_invalid_call(inside: str) -> None:
    text = "<|tool_call>call:f{a:" + inside
    events = parse_pieces(text)
    assert isinstance(events[-1], Ended)
    assert calls_of(events) or text_of(events) == text
