"""Parse an answer's text and tokens into events.

A free answer is parsed by its text alone. In a constrained answer, only control tokens count as tags, since a JSON
string can spell one.
"""

from collections.abc import Iterable

from g4run.chat.parse import Event, ResponseParser, TextDelta, ThinkingDelta
from g4run.engine.parameters import ThoughtTokens


class AnswerParser:
    """Parses tokens with the text that each completes, which can be empty.

    A constrained answer is optional thinking, then literal text up to the first control token. From there on (a tool
    call, the end of the turn), the response parser takes over; in a free answer, from the start.
    """

    def __init__(
        self,
        parser: ResponseParser,
        controls: frozenset[int] = frozenset(),
        thought: ThoughtTokens | None = None,
        *,
        is_constrained: bool = False,
    ) -> None:
        self._parser = parser
        self._controls = controls
        self._thought = thought
        self._in_thought = thought is not None and thought.opens_in_prompt
        self._may_open = thought is not None and not self._in_thought
        self._is_text = is_constrained

    def feed(self, token: int, text: str) -> list[Event]:
        """Return the events that are now complete."""
        if self._may_open and self._thought is not None:
            self._in_thought = token == self._thought.opening
        self._may_open = False
        if self._in_thought:
            return self._feed_thought(token, text)
        self._is_text = self._is_text and token not in self._controls
        return self._feed_answer(text)

    def finish(self, text: str, *, is_truncated: bool) -> list[Event]:
        """Return the remaining events; `is_truncated` says that the model did not end by itself."""
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
