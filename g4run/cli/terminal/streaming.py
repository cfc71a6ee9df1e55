"""An answer on its way to the person: text to stdout, thinking to stderr, piece by piece as it comes."""

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
    from g4run.runtime.model import Answering


@dataclass(frozen=True, slots=True)
class Display:
    """How an answer is to be shown; `faint` allows dimmed thinking where there is a terminal."""

    hide_thinking: bool = False
    faint: bool = True
    verbose: bool = False


def show_answer(answering: "Answering", output: Output, display: Display) -> "Answer":
    """Write an answer while it comes, and return it whole; Ctrl-C ends it early, with what came so far.

    Raises what the iteration raises, after ending the line that was begun.
    """
    from g4run.chat.parse import TextDelta, ThinkingDelta, ToolCallEvent

    writer = AnswerWriter(output, display)
    with stop_on_interrupt(answering.cancel):
        try:
            for event in answering:
                match event:
                    case TextDelta(text):
                        writer.write_text(text)
                    case ThinkingDelta(text):
                        writer.write_thinking(text)
                    case ToolCallEvent(call):
                        writer.write_line(render_tool_call(call))
        finally:
            writer.end()
    return answering.result


def await_answer(answering: "Answering") -> "Answer":
    """Wait for an answer without a word; Ctrl-C ends it early, with what came so far."""
    with stop_on_interrupt(answering.cancel):
        for _ in answering:
            pass
    return answering.result


@contextmanager
def stop_on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C call `stop`, from the signal handler; a second one raises KeyboardInterrupt as ever.

    A process that was started with the signal ignored (`nohup`, `&` in a script) goes on ignoring it.
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
    """Write to stderr what there is to say after an answer: that it was cut, and its timings."""
    output.notes.write(render_end_note(answer, options, context_length))
    if display.verbose:
        output.notes.write(render_timings(answer))


class AnswerWriter:
    """Writes text as it comes: plainly, since the model computes on the same cores."""

    def __init__(self, output: Output, display: Display) -> None:
        self._output = output
        self._display = display
        self._in_thought = False
        self._last_of_thought = ""
        self._last_of_answer = ""

    def write_thinking(self, text: str) -> None:
        """Write a piece of thinking, under its heading."""
        if self._display.hide_thinking or not text:
            return
        if not self._in_thought:
            self._open_thought()
        self._output.notes.write(text)
        self._last_of_thought = text[-1]

    def write_text(self, text: str) -> None:
        """Write a piece of the answer."""
        if not text:
            return
        self._close_thought("...done thinking.\n\n")
        self._output.answer.write(text)
        self._last_of_answer = text[-1]

    def write_line(self, text: str) -> None:
        """Write a line of its own into the answer."""
        start = "\n" if self._last_of_answer not in ("", "\n") else ""
        self.write_text(f"{start}{text}\n")

    def end(self) -> None:
        """End the line that was begun, wherever the answer stopped."""
        self._close_thought("")
        if self._last_of_answer not in ("", "\n"):
            self.write_text("\n")

    def _open_thought(self) -> None:
        self._in_thought = True
        if self._display.faint:
            self._output.notes.dim()
        self._output.notes.write("Thinking...\n")

    def _close_thought(self, closing: str) -> None:
        if not self._in_thought:
            return
        self._in_thought = False
        line_end = "" if self._last_of_thought == "\n" else "\n"
        self._output.notes.write(line_end + closing)
        if self._display.faint:
            self._output.notes.undim()
