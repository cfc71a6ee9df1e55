"""An answer's text to events, with the tokens that it came from at hand.

What a model writes freely is read by its text alone. Inside a grammar a tag is a tag only where it is the control
token: a JSON string may well spell one.
"""

from collections.abc import Iterable
from typing import Protocol

from g4run.chat.parse import Event, ResponseParser, TextDelta, ThinkingDelta
from g4run.engine.parameters import ThoughtTokens


class AnswerParser(Protocol):
    """Takes a token and the text that it completes, which may be empty."""

    def feed(self, token: int, text: str) -> list[Event]:
        """Events that are complete now."""

    def finish(self, text: str, *, is_truncated: bool) -> list[Event]:
        """The last text, and what was held back; `is_truncated` says that the model had not ended by itself."""


class FreeParser:
    """An answer that nothing holds to a form."""

    def __init__(self, parser: ResponseParser) -> None:
        self._parser = parser

    def feed(self, token: int, text: str) -> list[Event]:
        """Read the text, whatever its tokens."""
        return self._parser.feed(text) if text else []

    def finish(self, text: str, *, is_truncated: bool) -> list[Event]:
        """Read the rest."""
        return [*self._parser.feed(text), *self._parser.finish(is_truncated=is_truncated)]


class ConstrainedParser:
    """An answer inside a grammar: a thought may come first, then text as it is, up to the first control token.

    From there on (a call of a tool, the end of the turn) the response parser reads.
    """

    def __init__(self, parser: ResponseParser, controls: frozenset[int], thought: ThoughtTokens | None) -> None:
        self._parser = parser
        self._controls = controls
        self._thought = thought
        self._in_thought = thought is not None and thought.opens_in_prompt
        self._may_open = thought is not None and not self._in_thought
        self._is_text = True

    def feed(self, token: int, text: str) -> list[Event]:
        """Read the text by what the token is."""
        if self._may_open and self._thought is not None:
            self._in_thought = token == self._thought.opening
        self._may_open = False
        if self._in_thought:
            return self._feed_thought(token, text)
        self._is_text = self._is_text and token not in self._controls
        return self._feed_answer(text)

    def finish(self, text: str, *, is_truncated: bool) -> list[Event]:
        """Read the rest."""
        if self._in_thought:
            return _as_thinking([*self._parser.feed(text), *self._parser.finish(is_truncated=is_truncated)])
        return [*self._feed_answer(text), *self._parser.finish(is_truncated=is_truncated)]

    def _feed_thought(self, token: int, text: str) -> list[Event]:
        assert self._thought is not None
        events = _as_thinking(self._parser.feed(text))
        if token == self._thought.closing[-1]:
            self._in_thought = False
            self._parser = ResponseParser()  # what the thought spelled does not concern the answer
        return events

    def _feed_answer(self, text: str) -> list[Event]:
        if not text:
            return []
        return [TextDelta(text)] if self._is_text else self._parser.feed(text)


def _as_thinking(events: Iterable[Event]) -> list[Event]:
    """Events of a text that is all thought, whatever tags it spells."""
    texts = (event.text for event in events if isinstance(event, TextDelta | ThinkingDelta))
    return [ThinkingDelta(text) for text in texts]
