from pathlib import Path

from g4run.cli.terminal.status_line import HashProgress
from tests.fakes.streams import RecordedOutput

PATH = Path("/cache/gemma.gguf")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_terminal_gets_one_line_that_is_cleared() -> None:
    output, clock = RecordedOutput(terminal=True), Clock()
    with HashProgress(output.notes, "verifying", clock) as progress:
        for done_bytes in (1_000_000, 2_000_000, 3_000_000):
            clock.now += 0.07
            progress.update(PATH, done_bytes)
    line = "verifying gemma.gguf: 2.0 MB"
    assert output.stderr == f"\r{line:<78}\r\r{'':<78}\r"


def test_quick_work_shows_no_line() -> None:
    output = RecordedOutput(terminal=True)
    with HashProgress(output.notes, "verifying", Clock()) as progress:
        progress.update(PATH, 1)
    assert output.stderr == ""


def test_a_pipe_gets_nothing() -> None:
    output, clock = RecordedOutput(), Clock()
    with HashProgress(output.notes, "verifying", clock) as progress:
        clock.now = 10
        progress.update(PATH, 1)
    assert output.stderr == ""
