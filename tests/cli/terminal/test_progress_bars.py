"""Bars on an in-memory terminal: the last state of each."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from g4run.cli.terminal.progress_bars import BarProgress
from g4run.cli.views.pull import render_plan
from tests.cli.pulls import BEGUN, MODEL, PLAN, PROJECTOR
from tests.fakes.streams import RecordedOutput


class Screen:
    """Rich's output, and everything else on stderr."""

    def __init__(self, width: int = 80) -> None:
        self.drawn = io.StringIO()
        self.output = RecordedOutput()
        console = Console(file=self.drawn, force_terminal=True, width=width, color_system=None, legacy_windows=False)
        self.progress = BarProgress(self.output.notes, console)

    def last_lines(self) -> list[str]:
        """Return the final lines without escapes, bars, and times."""
        self.progress.close()
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "\x1b", self.drawn.getvalue())
        frame = re.split(r"\r\x1b", text)[-1].strip("\x1b\r\n ")
        return [re.sub(r"[━╸╺\s]+", " ", line.strip("\x1b\r ")) for line in frame.splitlines()]


def test_a_bar_starts_where_the_last_pull_ended() -> None:
    screen = Screen()
    screen.progress.planned(PLAN)
    screen.progress.started(BEGUN)
    screen.progress.progressed(BEGUN, 100_000_000)
    [line] = screen.last_lines()
    assert line.startswith("gemma-4-26B_q4_0-it.gguf 0.2/1.0 GB ")
    assert screen.output.stderr == render_plan(PLAN, None)


def test_a_finished_file_has_a_full_bar() -> None:
    screen = Screen()
    screen.progress.started(MODEL)
    screen.progress.progressed(MODEL, 999_000_000)
    screen.progress.finished(MODEL, Path("/cache/x"))
    screen.progress.started(replace(PROJECTOR, source="download", present_bytes=0))
    lines = screen.last_lines()
    assert lines[0].startswith("gemma-4-26B_q4_0-it.gguf 1.0/1.0 GB ")
    assert lines[1].startswith("gemma-4-26B-it-mmproj.gguf 0.0/500.0 MB ")


def test_waiting_and_verifying_replace_the_name() -> None:
    screen = Screen()
    screen.progress.started(MODEL)
    screen.progress.waiting(MODEL)
    screen.progress.verifying(PROJECTOR)
    screen.progress.progressed(PROJECTOR, 100_000_000)
    lines = screen.last_lines()
    assert lines[0].startswith("waiting for gem…B_q4_0-it.gguf 0.0/1.0 GB ")
    assert lines[1].startswith("verifying gemma…it-mmproj.gguf 100.0/500.0 MB ")


def test_a_file_name_cannot_move_the_cursor() -> None:
    screen = Screen()
    screen.progress.started(replace(MODEL, path="\x1b[2Ja\x07[bold]b.gguf"))
    screen.progress.close()
    assert "\x1b[2J" not in screen.drawn.getvalue()
    assert "\ufffd[2Ja\ufffd[bold]b.gguf" in screen.drawn.getvalue()


def test_a_local_file_has_no_bar() -> None:
    screen = Screen()
    screen.progress.started(PROJECTOR)
    screen.progress.finished(PROJECTOR, Path("/cache/x"))
    screen.progress.close()
    assert screen.drawn.getvalue() == ""


@pytest.mark.parametrize("width", [20, 40, 60, 73, 74, 80, 120])
def test_a_bar_leaves_room_for_the_terminals_ctrl_c_echo(width: int) -> None:
    screen = Screen(width)
    screen.progress.started(MODEL)
    screen.progress.progressed(MODEL, 250_000_000)
    screen.progress.close()
    frame = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.drawn.getvalue()).split("\r")[-1]
    [line] = [part for part in frame.split("\n") if part]
    assert len(line) <= width - len("^C")
    assert "…" not in line[width // 2 :]


@pytest.mark.parametrize(("width", "line"), [(40, "gemma-4-26B_q4_0-it.gguf 25 %"), (20, "gemma….gguf 25 %")])
def test_a_narrow_terminal_shows_name_and_percentage(width: int, line: str) -> None:
    screen = Screen(width)
    screen.progress.started(MODEL)
    screen.progress.progressed(MODEL, 250_000_000)
    assert screen.last_lines() == [line]
