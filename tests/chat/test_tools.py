import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.chat.arguments import render_argument, render_members
from g4run.chat.messages import JsonValue, ToolCall
from g4run.chat.tokens import QUOTE
from g4run.chat.tools import ParsedCalls, parse_calls
from g4run.chat.value_reader import Unparsable, ValueReader, unescape
from tests.chat.strategies import json_values

BARE_KEYS = st.from_regex(r"[a-zA-Z0-9_.\-]{1,8}", fullmatch=True)
STRINGS = st.text(max_size=20).filter(lambda text: QUOTE not in text)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = json_values(BARE_KEYS, st.none() | st.booleans() | NUMBERS | STRINGS)


@given(VALUES)
@settings(deadline=None, max_examples=100)
def test_rendered_values_round_trip(value: JsonValue) -> None:
    assert ValueReader("".join(piece.text for piece in render_argument(value))).read_value() == value


@given(VALUES)
@settings(deadline=None, max_examples=50)
def test_keys_may_be_quoted(value: JsonValue) -> None:
    text = "".join(piece.text for piece in render_argument(value, quotes_keys=True))
    assert ValueReader(text).read_value() == value


@given(st.dictionaries(BARE_KEYS, VALUES, max_size=3))
@settings(deadline=None, max_examples=50)
def test_rendered_calls_round_trip(arguments: dict[str, JsonValue]) -> None:
    members = "".join(piece.text for piece in render_members(arguments))
    assert parse_calls(f"call:f{{{members}}}") == ParsedCalls((ToolCall("f", arguments),))


@pytest.mark.parametrize("value", ["1.", "9" * 5_000, "1e999", "nan", "-", "yes", "Truely"])
def test_invalid_numbers_stay_text(value: str) -> None:
    assert ValueReader(value).read_value() == value


@pytest.mark.parametrize("value", ["[" * 100, "{a}"])
def test_a_value_that_cannot_be_parsed_is_refused(value: str) -> None:
    with pytest.raises(Unparsable):
        ValueReader(value).read_value()


@pytest.mark.parametrize(
    "text", ["", " ", "{}", "{a:1}", "f", "f(x)", "call:", "call:{a:1}", '{"name": ""}', '{"name": 1}']
)
def test_text_without_a_call(text: str) -> None:
    assert parse_calls(text) is None


@pytest.mark.parametrize(
    ("text", "is_complete"),
    [("call:f{a:1}", True), ("call:f{}", True), ("call:f", False), ("call:f{a:1", False), ("call:f{a:[1", False)],
)
def test_is_complete_tells_whether_the_call_was_closed(text: str, is_complete: bool) -> None:
    parsed = parse_calls(text)
    assert parsed is not None
    assert parsed.is_complete is is_complete


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a", "a"),
        (r"\n\t\"\'\\\/", "\n\t\"'\\/"),
        (r"\\n", r"\n"),
        (r"\u00e9\ud83d\ude00", "é😀"),
        (r"\ud83dx", "\ufffdx"),
        (r"\d\x", r"\d\x"),
        (r"\b\f", "\b\f"),
        (r"\bx\d\f\n", "\\bx\\d\\f\n"),
        (r"\u12", r"\u12"),
        ("\\", "\\"),
    ],
)
def test_escapes(text: str, plain: str) -> None:
    assert unescape(text) == plain
