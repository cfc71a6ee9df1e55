"""Parses tool calls as models write them: exact for valid text, lenient for invalid text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from g4run.chat.messages import JsonValue, ToolCall
from g4run.chat.tokens import QUOTE
from g4run.chat.value_reader import Unparsable, ValueReader, decode_object

_HEAD: Final = re.compile(
    r"""\s*+(?P<call>call\s*+:)?+\s*+(?P<quote><\|"\|>|["'])?(?P<name>[^\s{}()\[\],"'`<>]+)(?(quote)(?P=quote))\s*+"""
)
_BETWEEN_CALLS: Final = re.compile(r"[\s,;{}\[\]]*+(?=call\s*+:)|[\s,;}\]]*+(?=\{)")
_CLOSERS: Final = re.compile(r"[\s;}\]]*+")
_ARGUMENTS_GO_ON: Final = re.compile(r",|(?<!\s)\w\S*[{}\[\]]")
_ARGUMENT_KEYS: Final = ("arguments", "parameters", "args")
_JSON_CALL_KEYS: Final = frozenset({"name", "id", "type", *_ARGUMENT_KEYS})
_JSON_WRAPPER_KEYS: Final = frozenset({"function", "id", "type", "index"})


@dataclass(frozen=True, slots=True)
class ParsedCalls:
    """The calls between two call tags.

    `rest` is the text after the calls; `is_complete` means that nothing had to be closed at the end.
    """

    calls: tuple[ToolCall, ...]
    rest: str = ""
    is_complete: bool = True


def parse_calls(text: str) -> ParsedCalls | None:
    """Parse one or more `call:NAME{…}`; None if the text is something else.

    Also accepts JSON objects with "name" and "arguments", arguments given as a JSON string, a missing `call:`, and
    everything that ValueReader repairs.
    """
    reader = ValueReader(text)
    try:
        calls = [_read_call(reader)]
        while between := _BETWEEN_CALLS.match(text, reader.position):
            reader.position = between.end()
            calls.append(_read_call(reader))
        reader.skip(_CLOSERS)
        if _ARGUMENTS_GO_ON.match(text, reader.position):  # the parsed arguments are not what the model meant
            raise Unparsable
    except Unparsable:
        return None
    return ParsedCalls(tuple(calls), text[reader.position :], reader.is_complete)


def _read_call(reader: ValueReader) -> ToolCall:
    reader.skip_space()
    if reader.starts_with("{"):
        return _read_json_call(reader)
    head = _HEAD.match(reader.text, reader.position)
    if head is None:
        raise Unparsable
    reader.position = head.end()
    name = head["name"].rstrip(":")
    if not name or not (head["call"] or reader.starts_with("{")):
        raise Unparsable
    return ToolCall(name, _read_arguments(reader))


def _read_arguments(reader: ValueReader) -> Mapping[str, JsonValue]:
    if reader.position >= len(reader.text):
        reader.is_complete = False
        return {}
    if reader.starts_with(QUOTE):
        return _as_arguments(reader.read_value())
    return reader.read_object()


def _read_json_call(reader: ValueReader) -> ToolCall:
    """Parse the JSON format of OpenAI and other models; refuse other members, which would be lost."""
    wire = reader.read_object()
    function = wire.get("function")
    if isinstance(function, Mapping) and wire.keys() <= _JSON_WRAPPER_KEYS:
        wire = dict(function)
    name = wire.get("name")
    if not isinstance(name, str) or not name or not wire.keys() <= _JSON_CALL_KEYS:
        raise Unparsable
    return ToolCall(name, _as_arguments(next((wire[key] for key in _ARGUMENT_KEYS if key in wire), None)))


def _as_arguments(value: JsonValue) -> Mapping[str, JsonValue]:
    match value:
        case None:
            return {}
        case str():
            return decode_object(value)
        case Mapping():
            return value
    raise Unparsable
