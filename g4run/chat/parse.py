"""Parses a streamed answer into events: thinking, text, tool calls, the end.

The parser does no I/O and never raises on a model's output. `_NEXT` maps each state and tag to the next state; a tag
missing from a state's row is dropped. The joined content of the events does not depend on how the text was split.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from itertools import groupby
from typing import Final

from g4run.chat import tokens
from g4run.chat.events import Ended, EndReason, Event, TextDelta, ThinkingDelta, ToolCallEvent
from g4run.chat.tools import parse_calls

__all__ = ["EndReason", "Ended", "Event", "ResponseParser", "TextDelta", "ThinkingDelta", "ToolCallEvent"]


class _State(StrEnum):
    START = "start"  # only whitespace so far
    TEXT = "text"
    TURN_NAME = "turn_name"  # after a repeated <|turn>, up to the end of its line
    CHANNEL_NAME = "channel_name"
    THINKING = "thinking"
    CALL = "call"
    ENDED = "ended"


_OUTSIDE_CALLS: Final[Mapping[str, _State]] = {
    tokens.CHANNEL_OPEN: _State.CHANNEL_NAME,
    tokens.TOOL_CALL_OPEN: _State.CALL,
    tokens.TOOL_RESPONSE_OPEN: _State.ENDED,
    tokens.TURN_OPEN: _State.ENDED,
    tokens.TURN_CLOSE: _State.ENDED,
}
_NEXT: Final[Mapping[_State, Mapping[str, _State]]] = {
    _State.START: {**_OUTSIDE_CALLS, tokens.TURN_OPEN: _State.TURN_NAME},
    _State.TEXT: _OUTSIDE_CALLS,
    _State.THINKING: {**_OUTSIDE_CALLS, tokens.CHANNEL_CLOSE: _State.TEXT},
    _State.CALL: {**_OUTSIDE_CALLS, tokens.TOOL_CALL_CLOSE: _State.TEXT},
    _State.ENDED: {},
}
_NAME_STATES: Final = frozenset({_State.CHANNEL_NAME, _State.TURN_NAME})
_ALL_TAGS: Final = (*_OUTSIDE_CALLS, tokens.CHANNEL_CLOSE, tokens.TOOL_CALL_CLOSE, tokens.TOOL_RESPONSE_CLOSE)


class _TagSet:
    """A set of tags to search for, complete or cut off by the end of the text."""

    def __init__(self, *tags: str) -> None:
        self.pattern = re.compile("|".join(map(re.escape, tags)))
        self._prefixes = frozenset(tag[:length] for tag in tags for length in range(1, len(tag)))

    def find_partial_tag(self, text: str, start: int) -> int:
        """Return where a tag cut off by the end of the text begins, or the text's length."""
        position = text.rfind("<", start)
        return position if position >= 0 and text[position:] in self._prefixes else len(text)


_TAGS: Final = _TagSet(*_ALL_TAGS)
_TAGS_AND_QUOTE: Final = _TagSet(*_ALL_TAGS, tokens.QUOTE)
_QUOTE: Final = _TagSet(tokens.QUOTE)

_NAME_PATTERN: Final = re.compile(r"[ \t]{0,8}+(\w{0,24}+)")
_THINKING_NAMES: Final = frozenset({"", "thought", "thoughts", "thinking", "think", "analysis", "reasoning"})
_ANSWER_NAMES: Final = frozenset({"final", "answer", "response", "text", "output", "content"})
_MODEL_NAMES: Final = frozenset({"", "model", "assistant"})


class ResponseParser:
    """Parses the text of one answer into events; `opens_thought` means that the prompt ended inside a thought.

    Channels named "thought" or similar are thinking, those named "final" or similar are the answer; a channel without a
    known name is thinking, name included. Whitespace before the answer and around calls is dropped; one newline before
    `<channel|>` belongs to the tag. A second `<|channel>`, a call or the end closes a thought.
    """

    def __init__(self, *, opens_thought: bool = False) -> None:
        self._state = _State.THINKING if opens_thought else _State.START
        self._pending = ""  # possible start of a tag
        self._name = ""  # of a channel or turn, still incomplete
        self._whitespace: list[str] = []  # emitted only if text follows
        self._is_run_start = True  # no text since the last thought or call
        self._has_text = False
        self._has_thinking = False
        self._thinking_gap = ""  # newlines emitted only if thinking follows
        self._call: list[str] = []
        self._in_quote = False
        self._tracks_quotes = True
        self._is_truncated = False
        self._events: list[Event] = []

    def feed(self, text: str) -> list[Event]:
        """Feed the next piece of the answer and return the events that it completes."""
        self._scan(self._pending + text, is_last=False)
        return self._take_events()

    def finish(self, *, is_truncated: bool = False) -> list[Event]:
        """Return the remaining events, ending with Ended.

        `is_truncated` means that a limit ended the text, not the model: an open call then becomes text, because running
        half a call may do harm. Otherwise the parser completes it.
        """
        self._is_truncated = is_truncated
        self._scan(self._pending, is_last=True)
        if self._in_quote and not is_truncated:
            self._rescan_call()
        if self._state in _NAME_STATES:
            self._close_name()
        if self._state is not _State.ENDED:
            self._enter(_State.ENDED, EndReason.INPUT)
        return self._take_events()

    def _take_events(self) -> list[Event]:
        """Return the new events, with adjacent deltas of one kind joined."""
        events = [event for kind, run in groupby(self._events, type) for event in _join(kind, list(run))]
        self._events = []
        return events

    def _scan(self, text: str, *, is_last: bool) -> None:
        """Process a text up to its end, or to the possible start of a tag."""
        position = 0
        self._pending = ""
        while self._state is not _State.ENDED:
            tags = self._tag_set()
            found = tags.pattern.search(text, position)
            if found is None:
                end = len(text) if is_last else tags.find_partial_tag(text, position)
                self._pending = text[end:]
                self._take(text[position:end])
                return
            self._take(text[position : found.start()])
            self._handle_tag(found[0])
            position = found.end()

    def _tag_set(self) -> _TagSet:
        if self._in_quote:
            return _QUOTE
        return _TAGS_AND_QUOTE if self._state is _State.CALL and self._tracks_quotes else _TAGS

    def _rescan_call(self) -> None:
        """Search for tags again in a call with unbalanced quotes, this time inside quotes as well."""
        text = "".join(self._call)
        self._call = []
        self._in_quote = self._tracks_quotes = False
        self._scan(text, is_last=True)

    def _handle_tag(self, tag: str) -> None:
        """Enter the state that a tag leads to."""
        if self._state in _NAME_STATES:
            self._close_name()
        if tag == tokens.QUOTE:
            self._in_quote = not self._in_quote
            self._call.append(tag)
        elif (following := _NEXT[self._state].get(tag)) is not None:
            is_response = tag == tokens.TOOL_RESPONSE_OPEN
            self._enter(following, EndReason.TOOL_RESPONSE if is_response else EndReason.TURN, tag)

    def _enter(self, state: _State, reason: EndReason, tag: str = "") -> None:
        if self._state is _State.CALL:
            self._finish_call(tag if tag == tokens.TOOL_CALL_CLOSE else "")
        self._state = state
        self._whitespace = []
        self._is_run_start = True
        self._thinking_gap = "\n" if self._has_thinking else ""
        if state is _State.ENDED:
            self._events.append(Ended(reason))

    def _finish_call(self, closing: str) -> None:
        """Emit the calls between two tags, or their text if it is not a complete call."""
        text = "".join(self._call)
        self._call = []
        parsed = parse_calls(text)
        if parsed is None or (self._is_truncated and not parsed.is_complete):
            self._take_text(tokens.TOOL_CALL_OPEN + text + closing if text.strip() else "")
            return
        self._events += map(ToolCallEvent, parsed.calls)
        self._take_text(parsed.rest)

    def _take(self, text: str) -> None:
        """Process text without tags."""
        match self._state:
            case _State.START | _State.TEXT:
                self._take_text(text)
            case _State.THINKING:
                self._take_thinking(text)
            case _State.CALL:
                self._call.append(text)
            case _State.CHANNEL_NAME | _State.TURN_NAME:
                self._take_name(text)

    def _take_text(self, text: str) -> None:
        if self._is_run_start:
            stripped = text.lstrip()
            if self._has_text:
                self._whitespace.append(text[: len(text) - len(stripped)])
            if not stripped:
                return
            text = "".join(self._whitespace) + stripped
            self._is_run_start = False
        if text:
            self._has_text = True
            self._events.append(TextDelta(text))
            if self._state is _State.START:
                self._state = _State.TEXT

    def _take_thinking(self, text: str) -> None:
        if not text:
            return
        text = self._thinking_gap + text
        self._thinking_gap = ""
        if text.endswith("\n"):
            text, self._thinking_gap = text[:-1], "\n"
        if text:
            self._has_thinking = True
            self._events.append(ThinkingDelta(text))

    def _take_name(self, text: str) -> None:
        self._name += text
        if _split_name(self._name)[1]:
            self._close_name()

    def _close_name(self) -> None:
        """Interpret a complete channel or turn name; an unknown one belongs to the content."""
        name, self._name = self._name, ""
        word, rest = _split_name(name)
        is_line = not rest or rest.startswith("\n")
        if self._state is _State.TURN_NAME:
            self._state = _State.START
            if not (is_line and word in _MODEL_NAMES):
                self._enter(_State.ENDED, EndReason.TURN)
        elif is_line and word in _ANSWER_NAMES:
            self._state = _State.TEXT
        else:
            self._state = _State.THINKING
            if not (is_line and word in _THINKING_NAMES):
                rest = "\n" + name
        self._take(rest[1:])


def _join(kind: type[Event], run: list[Event]) -> list[Event]:
    if kind is TextDelta:
        return [TextDelta("".join(event.text for event in run if isinstance(event, TextDelta)))]
    if kind is ThinkingDelta:
        return [ThinkingDelta("".join(event.text for event in run if isinstance(event, ThinkingDelta)))]
    return run


def _split_name(text: str) -> tuple[str, str]:
    """Return the first word of the text in lower case, and the rest."""
    found = _NAME_PATTERN.match(text)
    return (found[1].lower(), text[found.end() :]) if found else ("", text)
