"""Stream an answer piece by piece: text to stdout, thinking to stderr."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from g4run.cli.output import Output
from g4run.cli.views.answer import render_end_note, render_timings, render_tool_call

if TYPE_CHECKING:
    from g4run.runtime.answers.answer import Answer, AnswerOptions
    from g4run.runtime.answers.answer_stream import AnswerStream


@dataclass(frozen=True, slots=True)
class Display:
    """How to show an answer; `faint` dims the thinking on a terminal."""

    hide_thinking: bool = False
    faint: bool = True
    verbose: bool = False


def show_answer(stream: "AnswerStream", output: Output, display: Display) -> "Answer":
    """Write an answer as it is generated, and return it; Ctrl-C ends it early and keeps the text so far.

    Raises what the iteration raises, after ending the current line.
    """
    from g4run.chat.parse import TextDelta, ThinkingDelta, ToolCallEvent

    writer = AnswerWriter(output, display)
    with stop_on_interrupt(stream.cancel):
        try:
            for event in stream:
                match event:
                    case TextDelta(text):
                        writer.write_text(text)
                    case ThinkingDelta(text):
                        writer.write_thinking(text)
                    case ToolCallEvent(call):
                        writer.write_line(render_tool_call(call))
        finally:
            writer.end()
    return stream.result


def await_answer(stream: "AnswerStream") -> "Answer":
    """Wait for an answer silently; Ctrl-C ends it early and keeps the text so far."""
    with stop_on_interrupt(stream.cancel):
        for _ in stream:
            pass
    return stream.result


@contextmanager
def stop_on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` from the signal handler on the first Ctrl-C; a second one raises KeyboardInterrupt.

    A process started with the signal ignored (`nohup`, `&` in a script) keeps ignoring it.
    """
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def show_outcome(
    answer: "Answer", options: "AnswerOptions", context_length: int, output: Output, display: Display
) -> None:
    """Write the notes after an answer to stderr: why it was cut off, and its timings."""
    output.notes.write(render_end_note(answer, options, context_length))
    if display.verbose:
        output.notes.write(render_timings(answer))


class AnswerWriter:
    """Writes text as it is generated, unformatted, since the model computes on the same cores."""

    def __init__(self, output: Output, display: Display) -> None:
        self._output = output
        self._display = display
        self._is_thinking = False
        self._last_thinking = ""
        self._last_text = ""

    def write_thinking(self, text: str) -> None:
        """Write a piece of thinking below its heading."""
        if self._display.hide_thinking or not text:
            return
        if not self._is_thinking:
            self._open_thinking()
        self._output.notes.write(text)
        self._last_thinking = text[-1]

    def write_text(self, text: str) -> None:
        """Write a piece of the answer."""
        if not text:
            return
        self._close_thinking("...done thinking.\n\n")
        self._output.answer.write(text)
        self._last_text = text[-1]

    def write_line(self, text: str) -> None:
        """Write a separate line into the answer."""
        start = "\n" if self._last_text not in ("", "\n") else ""
        self.write_text(f"{start}{text}\n")

    def end(self) -> None:
        """End the current line, wherever the answer stopped."""
        self._close_thinking("")
        if self._last_text not in ("", "\n"):
            self.write_text("\n")

    def _open_thinking(self) -> None:
        self._is_thinking = True
        if self._display.faint:
            self._output.notes.dim()
        self._output.notes.write("Thinking...\n")

    def _close_thinking(self, closing: str) -> None:
        if not self._is_thinking:
            return
        self._is_thinking = False
        line_end = "" if self._last_thinking == "\n" else "\n"
        self._output.notes.write(line_end + closing)
        if self._display.faint:
            self._output.notes.undim()
