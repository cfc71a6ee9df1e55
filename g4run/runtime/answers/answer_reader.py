"""Convert tokens to an answer's events, up to a stop string, and collect them."""

import codecs
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from g4run.chat.messages import ToolCall
from g4run.chat.parse import Ended, Event, TextDelta, ThinkingDelta, ToolCallEvent
from g4run.chat.tokens import EOS
from g4run.engine.llama.vocabulary import StopStrings, Vocabulary
from g4run.engine.protocol import Sampled
from g4run.runtime.answers.answer import AnswerOptions, TokenLogprob
from g4run.runtime.answers.answer_parser import AnswerParser

_END = EOS.encode()

AnswerEvent: TypeAlias = ThinkingDelta | TextDelta | ToolCallEvent


class AnswerReader:
    """Converts the tokens of one answer to events, and collects them."""

    def __init__(self, vocabulary: Vocabulary, options: AnswerOptions, parser: AnswerParser) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may span several tokens
        self._stops = StopStrings(options.stop)
        self._parser = parser
        self._controls = vocabulary.control_tokens
        self._has_ended = False
        self.content: list[str] = []
        self.thinking: list[str] = []
        self.tool_calls: list[ToolCall] = []
        self.logprobs: list[TokenLogprob] | None = None if options.logprobs is None else []

    @property
    def is_complete(self) -> bool:
        """Whether the answer has ended; later tokens do not belong to it."""
        return self._has_ended or self._stops.has_stopped

    def feed(self, sampled: Sampled) -> Iterator[AnswerEvent]:
        """Yield the events that a token completes."""
        piece = self._vocabulary.piece(sampled.token)
        if self.logprobs is not None:
            self.logprobs.append(self._logprob(sampled, piece))
        if piece != _END or sampled.token not in self._controls:  # the end token is not part of the text
            yield from self._read(self._parser.feed(sampled.token, self._decoder.decode(piece)))

    def finish(self, *, is_truncated: bool) -> Iterator[AnswerEvent]:
        """Yield the remaining events; `is_truncated` says that the model did not end by itself."""
        if not self.is_complete:
            yield from self._read(self._parser.finish(self._decoder.decode(b"", final=True), is_truncated=is_truncated))
        rest = self._stops.finish()
        if rest:
            self.content.append(rest)
            yield TextDelta(rest)

    def _read(self, events: list[Event]) -> Iterator[AnswerEvent]:
        for event in events:
            if isinstance(event, Ended):
                self._has_ended = True
            elif not self._stops.has_stopped:
                yield from self._keep(event)

    def _keep(self, event: AnswerEvent) -> Iterator[AnswerEvent]:
        if isinstance(event, TextDelta):
            text = self._stops.feed(event.text)
            if text:
                self.content.append(text)
                yield TextDelta(text)
        elif isinstance(event, ThinkingDelta):
            self.thinking.append(event.text)
            yield event
        else:
            call = replace(event.call, id=event.call.id or f"call_{secrets.token_hex(4)}")
            self.tool_calls.append(call)
            yield ToolCallEvent(call)

    def _logprob(self, sampled: Sampled, piece: bytes) -> TokenLogprob:
        return TokenLogprob(
            text=piece.decode("utf-8", "replace"),
            logprob=sampled.logprob or 0.0,
            alternatives=tuple(
                (self._vocabulary.piece(other.token).decode("utf-8", "replace"), other.logprob)
                for other in sampled.alternatives
            ),
        )
