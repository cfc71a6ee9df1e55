"""A model's answer, fed piece by piece, to events: thinking, text, tool calls, the end.

The parser does no I/O and never raises on what a model writes. `_NEXT` says which state a tag leads to; a tag that its
state's row lacks is surplus and dropped. What the events hold, joined, does not depend on how the text was cut.
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
    START = "start"  # nothing but white space yet
    TEXT = "text"
    TURN_NAME = "turn_name"  # behind a repeated <|turn>, up to the end of its line
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
    """Tags to look for, and where one of them may have begun."""

    def __init__(self, *tags: str) -> None:
        self.pattern = re.compile("|".join(map(re.escape, tags)))
        self._beginnings = frozenset(tag[:length] for tag in tags for length in range(1, len(tag)))

    def find_beginning(self, text: str, start: int) -> int:
        """Where a tag begins that the text's end cuts off; the text's length where none does."""
        position = text.rfind("<", start)
        return position if position >= 0 and text[position:] in self._beginnings else len(text)


_TAGS: Final = _TagSet(*_ALL_TAGS)
_TAGS_AND_QUOTE: Final = _TagSet(*_ALL_TAGS, tokens.QUOTE)
_QUOTE: Final = _TagSet(tokens.QUOTE)

_NAME: Final = re.compile(r"[ \t]{0,8}+(\w{0,24}+)")
_THINKING_NAMES: Final = frozenset({"", "thought", "thoughts", "thinking", "think", "analysis", "reasoning"})
_ANSWER_NAMES: Final = frozenset({"final", "answer", "response", "text", "output", "content"})
_MODEL_NAMES: Final = frozenset({"", "model", "assistant"})


class ResponseParser:
    """Turns one answer's text into events; `opens_thought` says that the prompt ended inside a thought.

    Channels named "thought" or the like are thinking, those named "final" or the like are the answer, and what carries
    no known name is thinking, name included. White space before the answer, and between it and calls, is dropped;
    one newline before `<channel|>` belongs to the tag. A second `<|channel>`, a call or the end closes a thought.
    """

    def __init__(self, *, opens_thought: bool = False) -> None:
        self._state = _State.THINKING if opens_thought else _State.START
        self._pending = ""  # may be the beginning of a tag
        self._name = ""  # of a channel or turn, not yet complete
        self._gap: list[str] = []  # white space that counts only if text follows
        self._is_run_start = True  # no text since the last thought or call
        self._has_text = False
        self._has_thinking = False
        self._thinking_gap = ""  # newlines that count only if thinking follows
        self._call: list[str] = []
        self._in_quote = False
        self._heeds_quotes = True
        self._is_cut = False
        self._events: list[Event] = []

    def feed(self, text: str) -> list[Event]:
        """Take the next piece of the answer, and give what it completes."""
        self._scan(self._pending + text, is_last=False)
        return self._take_events()

    def finish(self, *, is_cut: bool = False) -> list[Event]:
        """Give what was held back, and the end.

        `is_cut` says that a limit, not the model, ended the text: a call that is still open is then text, as running
        half a call may do harm. Otherwise its end is made up.
        """
        self._is_cut = is_cut
        self._scan(self._pending, is_last=True)
        if self._in_quote and not is_cut:
            self._rescan_call()
        if self._state in _NAME_STATES:
            self._close_name()
        if not self._has_ended():
            self._enter(_State.ENDED, EndReason.INPUT)
        return self._take_events()

    def _has_ended(self) -> bool:
        return self._state is _State.ENDED

    def _take_events(self) -> list[Event]:
        """Give the events since the last time, neighbouring deltas of one kind joined."""
        events = [event for kind, run in groupby(self._events, type) for event in _join(kind, list(run))]
        self._events = []
        return events

    def _scan(self, text: str, *, is_last: bool) -> None:
        """Take a text up to its end, or to where a tag may have begun."""
        position = 0
        self._pending = ""
        while not self._has_ended():
            tags = self._watched()
            found = tags.pattern.search(text, position)
            if found is None:
                end = len(text) if is_last else tags.find_beginning(text, position)
                self._pending = text[end:]
                self._take(text[position:end])
                return
            self._take(text[position : found.start()])
            self._step(found[0])
            position = found.end()

    def _watched(self) -> _TagSet:
        if self._in_quote:
            return _QUOTE
        return _TAGS_AND_QUOTE if self._state is _State.CALL and self._heeds_quotes else _TAGS

    def _rescan_call(self) -> None:
        """Look again for tags in a call whose quotes do not pair up, this time inside quotes as well."""
        text = "".join(self._call)
        self._call = []
        self._in_quote = self._heeds_quotes = False
        self._scan(text, is_last=True)

    def _step(self, tag: str) -> None:
        """Go where a tag leads."""
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
        self._gap = []
        self._is_run_start = True
        self._thinking_gap = "\n" if self._has_thinking else ""
        if state is _State.ENDED:
            self._events.append(Ended(reason))

    def _finish_call(self, closing: str) -> None:
        """Give the calls between two tags, or their text where it is none, or only half of one."""
        text = "".join(self._call)
        self._call = []
        parsed = parse_calls(text)
        if parsed is None or (self._is_cut and not parsed.is_complete):
            self._take_text(tokens.TOOL_CALL_OPEN + text + closing if text.strip() else "")
            return
        self._events += map(ToolCallEvent, parsed.calls)
        self._take_text(parsed.rest)

    def _take(self, text: str) -> None:
        """Take text that holds no tags."""
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
                self._gap.append(text[: len(text) - len(stripped)])
            if not stripped:
                return
            text = "".join(self._gap) + stripped
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
        """Decide what a name means, now that it is complete; one that is none belongs to what follows."""
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
    """The word at the text's beginning in small letters, and what follows it."""
    found = _NAME.match(text)
    return (found[1].lower(), text[found.end() :]) if found else ("", text)
