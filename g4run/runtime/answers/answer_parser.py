"""Parse an answer's text and tokens into events.

A free answer is parsed by its text alone. In a constrained answer, only control tokens count as tags, since a JSON
string can spell one.
"""

from collections.abc import Iterable
from typing import Protocol

from g4run.chat.parse import Event, ResponseParser, TextDelta, ThinkingDelta
from g4run.engine.parameters import ThoughtTokens


class AnswerParser(Protocol):
    """Parses tokens with the text that each completes, which can be empty."""

    def feed(self, token: int, text: str) -> list[Event]:
        """Return the events that are now complete."""

    def finish(self, text: str, *, is_truncated: bool) -> list[Event]:
        """Return the remaining events; `is_truncated` says that the model did not end by itself."""


class FreeParser:
    """Parses an answer without constraints."""

    def __init__(self, parser: ResponseParser) -> None:
        self._parser = parser

    def feed(self, token: int, text: str) -> list[Event]:
        """Parse the text and ignore the token."""
        return self._parser.feed(text) if text else []

    def finish(self, text: str, *, is_truncated: bool) -> list[Event]:
        """Parse the rest."""
        return [*self._parser.feed(text), *self._parser.finish(is_truncated=is_truncated)]


class ConstrainedParser:
    """Parses a constrained answer: optional thinking, then literal text up to the first control token.

    From there on (a tool call, the end of the turn), the response parser takes over.
    """

    def __init__(self, parser: ResponseParser, controls: frozenset[int], thought: ThoughtTokens | None) -> None:
        self._parser = parser
        self._controls = controls
        self._thought = thought
        self._in_thought = thought is not None and thought.opens_in_prompt
        self._may_open = thought is not None and not self._in_thought
        self._is_text = True

    def feed(self, token: int, text: str) -> list[Event]:
        """Parse the text by its token."""
        if self._may_open and self._thought is not None:
            self._in_thought = token == self._thought.opening
        self._may_open = False
        if self._in_thought:
            return self._feed_thought(token, text)
        self._is_text = self._is_text and token not in self._controls
        return self._feed_answer(text)

    def finish(self, text: str, *, is_truncated: bool) -> list[Event]:
        """Parse the rest."""
        if self._in_thought:
            return _as_thinking([*self._parser.feed(text), *self._parser.finish(is_truncated=is_truncated)])
        return [*self._feed_answer(text), *self._parser.finish(is_truncated=is_truncated)]

    def _feed_thought(self, token: int, text: str) -> list[Event]:
        assert self._thought is not None
        events = _as_thinking(self._parser.feed(text))
        if token == self._thought.closing[-1]:
            self._in_thought = False
            self._parser = ResponseParser()  # forget tags that the thinking spelled
        return events

    def _feed_answer(self, text: str) -> list[Event]:
        if not text:
            return []
        return [TextDelta(text)] if self._is_text else self._parser.feed(text)


def _as_thinking(events: Iterable[Event]) -> list[Event]:
    """Convert all text to thinking, whatever tags it spells."""
    texts = (event.text for event in events if isinstance(event, TextDelta | ThinkingDelta))
    return [ThinkingDelta(text) for text in texts]
