import signal

import pytest

from g4run.chat.messages import ToolCall
from g4run.chat.parse import TextDelta, ThinkingDelta, ToolCallEvent
from g4run.cli.terminal.streaming import Display, await_answer, show_answer, show_outcome, stop_on_interrupt
from g4run.errors import WorkerDied
from g4run.runtime.answers.answer import AnswerOptions, FinishReason
from tests.fakes.scripted_model import Script, ScriptedAnswer
from tests.fakes.streams import RecordedOutput

THOUGHTFUL = Script([ThinkingDelta("I "), ThinkingDelta("think."), TextDelta("Hel"), TextDelta("lo!")])


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def show(script: Script, display: Display = Display(), *, terminal: bool = False) -> tuple[str, str]:  # noqa: B008 - frozen
    output = RecordedOutput(terminal=terminal)
    show_answer(ScriptedAnswer(script), output, display)
    return output.stdout, output.stderr


def test_thinking_goes_to_stderr_and_the_answer_to_stdout() -> None:
    assert show(THOUGHTFUL) == ("Hello!\n", "Thinking...\nI think.\n...done thinking.\n\n")


def test_on_a_terminal_thinking_is_dimmed() -> None:
    shown = ("Hello!\n", "\x1b[2mThinking...\nI think.\n...done thinking.\n\n\x1b[0m")
    assert show(THOUGHTFUL, terminal=True) == shown


def test_without_colour_thinking_is_not_dimmed() -> None:
    shown = ("Hello!\n", "Thinking...\nI think.\n...done thinking.\n\n")
    assert show(THOUGHTFUL, Display(faint=False), terminal=True) == shown


def test_thinking_can_be_hidden() -> None:
    assert show(THOUGHTFUL, Display(hide_thinking=True), terminal=True) == ("Hello!\n", "")


@pytest.mark.parametrize(
    ("events", "stdout"),
    [
        ([], ""),
        ([TextDelta("")], ""),
        ([TextDelta("a")], "a\n"),
        ([TextDelta("a\n")], "a\n"),
        ([TextDelta("a\n\n")], "a\n\n"),
        ([ToolCallEvent(ToolCall("f", {"x": 1})), ToolCallEvent(ToolCall("g", {}))], 'f({"x": 1})\ng({})\n'),
        ([TextDelta("Wait."), ToolCallEvent(ToolCall("g", {}))], "Wait.\ng({})\n"),
        ([TextDelta("Wait.\n"), ToolCallEvent(ToolCall("g", {})), TextDelta("Done")], "Wait.\ng({})\nDone\n"),
    ],
)
def test_the_last_line_ends_exactly_once(events: list[TextDelta | ToolCallEvent], stdout: str) -> None:
    assert show(Script(events)) == (stdout, "")


def test_ctrl_c_keeps_the_text_and_ends_the_line() -> None:
    output = RecordedOutput()
    script = Script([TextDelta("Hel"), TextDelta("lo!")], interruption=(1, press_ctrl_c))
    answer = show_answer(ScriptedAnswer(script), output, Display())
    assert (answer.content, answer.finish_reason) == ("Hel", FinishReason.CANCELLED)
    assert (output.stdout, output.stderr) == ("Hel\n", "")


def test_ctrl_c_while_thinking_does_not_print_done_thinking() -> None:
    script = Script([ThinkingDelta("I "), TextDelta("Hello!")], interruption=(1, press_ctrl_c))
    assert show(script, terminal=True) == ("", "\x1b[2mThinking...\nI \n\x1b[0m")


def test_a_failure_ends_the_line() -> None:
    output = RecordedOutput(terminal=True)
    with pytest.raises(WorkerDied):
        show_answer(ScriptedAnswer(Script([ThinkingDelta("I")], failure=WorkerDied("it died"))), output, Display())
    assert (output.stdout, output.stderr) == ("", "\x1b[2mThinking...\nI\n\x1b[0m")


def test_waiting_is_silent_and_can_be_interrupted() -> None:
    answer = await_answer(ScriptedAnswer(Script([TextDelta("a"), TextDelta("b")], interruption=(1, press_ctrl_c))))
    assert (answer.content, answer.finish_reason) == ("a", FinishReason.CANCELLED)


def test_a_second_ctrl_c_raises_and_the_handler_is_restored() -> None:
    stopped: list[None] = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt(lambda: stopped.append(None)):
        press_ctrl_c()
        press_ctrl_c()
    assert len(stopped) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_interrupt(lambda: pytest.fail("it was ignored")):
            press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)


def test_notes_and_timings_follow_the_answer() -> None:
    output = RecordedOutput()
    answer = ScriptedAnswer(Script([], FinishReason.LENGTH)).result
    show_outcome(answer, AnswerOptions(max_tokens=0), 4096, output, Display(verbose=True))
    assert output.stdout == ""
    assert output.stderr == (
        "Note: the answer was cut off at 0 tokens (--max-tokens)\n"
        "total duration:       4.20s\n"
        "load duration:        1.10s\n"
        "prompt eval count:    9 token(s)\n"
        "prompt eval duration: 130ms\n"
        "prompt eval rate:     200.00 tokens/s\n"
        "eval count:           0 token(s)\n"
        "eval duration:        2.90s\n"
        "eval rate:            102.76 tokens/s\n"
    )
