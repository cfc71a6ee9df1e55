"""How far a pull is: plain lines for a log, JSON lines for a program; a terminal's bars are in progress_bars.py."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from g4run.cli.output import Output, Stream
from g4run.cli.views.pull import file_label, plan_value, render_plan
from g4run.units import render_bytes, render_seconds

if TYPE_CHECKING:
    from g4run.models.pull.plan import PlannedFile, PullPlan

_LINE_SECONDS: Final = 30.0  # between two plain lines, where less than a tenth came
_EVENT_SECONDS: Final = 0.5  # between two JSON lines of progress
_RATE_SECONDS: Final = 5.0  # over which a speed is taken

Clock: TypeAlias = Callable[[], float]


class Phase:
    """The fetching, or the hashing, of one file: a count that never goes back, and its speed over the last seconds."""

    def __init__(self, file: "PlannedFile", done_bytes: int, clock: Clock, *, is_hashing: bool) -> None:
        self.file = file
        self.done_bytes = done_bytes
        self.is_hashing = is_hashing
        self._clock = clock
        self._samples = [(clock(), done_bytes)]

    def advance(self, done_bytes: int) -> None:
        """Take note of a count."""
        now = self._clock()
        self.done_bytes = max(self.done_bytes, min(done_bytes, self.file.size_bytes))
        self._samples.append((now, self.done_bytes))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _RATE_SECONDS:
            del self._samples[0]

    @property
    def bytes_per_second(self) -> float:
        """The speed; 0 where it is not known."""
        (first, before), (last, now) = self._samples[0], self._samples[-1]
        return (now - before) / (last - first) if last > first else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this speed; None where nobody knows."""
        rate = self.bytes_per_second
        return (self.file.size_bytes - self.done_bytes) / rate if rate > 0 else None


class PullProgress(ABC):
    """Follows a pull, file by file; how that is shown is the subclass's matter. For one thread."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._phase: Phase | None = None

    def planned(self, plan: "PullPlan") -> None:
        """All that will be done; comes first."""
        self._show_plan(plan)

    def started(self, file: "PlannedFile") -> None:
        """The next file's turn."""
        self._phase = Phase(file, file.present_bytes, self._clock, is_hashing=False)
        self._show_start(self._phase)

    def progressed(self, file: "PlannedFile", done_bytes: int) -> None:
        """So many bytes of the file are here, or hashed."""
        phase = self._phase
        if phase is None or phase.file != file or (phase.is_hashing and done_bytes < phase.done_bytes):
            # Hashing never goes back: the file was not the right one, and is fetched now.
            phase = self._phase = Phase(file, 0, self._clock, is_hashing=False)
        phase.advance(done_bytes)
        self._show_progress(phase)

    def waiting(self, file: "PlannedFile") -> None:
        """Another process is fetching this very file."""
        self._show_waiting(file)

    def verifying(self, file: "PlannedFile") -> None:
        """A file that was here is being hashed; `progressed` counts it from 0."""
        self._phase = Phase(file, 0, self._clock, is_hashing=True)
        self._show_verifying(self._phase)

    def finished(self, file: "PlannedFile", path: Path) -> None:
        """The file is here, and its digest is right."""
        self._phase = None
        self._show_end(file, path)

    def close(self) -> None:  # noqa: B027 - only bars have something to put right
        """Leave the terminal as a person expects it, whatever happened."""

    @abstractmethod
    def _show_plan(self, plan: "PullPlan") -> None: ...

    @abstractmethod
    def _show_start(self, phase: Phase) -> None: ...

    @abstractmethod
    def _show_progress(self, phase: Phase) -> None: ...

    @abstractmethod
    def _show_waiting(self, file: "PlannedFile") -> None: ...

    @abstractmethod
    def _show_verifying(self, phase: Phase) -> None: ...

    @abstractmethod
    def _show_end(self, file: "PlannedFile", path: Path) -> None: ...


class PlainProgress(PullProgress):
    """Lines on stderr: where a file begins, each tenth of it or each half minute, and where it ends."""

    def __init__(self, notes: Stream, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._notes = notes
        self._due_bytes = 0
        self._due_time = 0.0

    def _show_plan(self, plan: "PullPlan") -> None:
        self._notes.write(render_plan(plan, None))

    def _show_start(self, phase: Phase) -> None:
        self._set_due(phase)
        if phase.file.source == "download":
            here = f", {render_bytes(phase.done_bytes)} are here" if phase.done_bytes else ""
            self._say(f"fetching {file_label(phase.file)}: {render_bytes(phase.file.size_bytes)}{here}")

    def _show_progress(self, phase: Phase) -> None:
        if phase.done_bytes >= phase.file.size_bytes:
            return
        if phase.done_bytes < self._due_bytes and self._clock() < self._due_time:
            return
        self._set_due(phase)
        self._say(f"{'verifying ' if phase.is_hashing else ''}{file_label(phase.file)}: {_how_far(phase)}")

    def _show_waiting(self, file: "PlannedFile") -> None:
        self._say(f"waiting: another process is fetching {file_label(file)}")

    def _show_verifying(self, phase: Phase) -> None:
        self._set_due(phase)
        self._say(f"verifying {file_label(phase.file)}: {render_bytes(phase.file.size_bytes)}")

    def _show_end(self, file: "PlannedFile", path: Path) -> None:
        self._say(render_end(file))

    def _set_due(self, phase: Phase) -> None:
        tenth = max(1, phase.file.size_bytes // 10)
        self._due_bytes = (phase.done_bytes // tenth + 1) * tenth
        self._due_time = self._clock() + _LINE_SECONDS

    def _say(self, line: str) -> None:
        self._notes.write(f"{line}\n")


class JsonProgress(PullProgress):
    """One JSON object a line on stdout, of a file's progress at most two a second."""

    def __init__(self, output: Output, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._output = output
        self._due = 0.0

    def _show_plan(self, plan: "PullPlan") -> None:
        write_event(self._output, "plan", plan_value(plan))

    def _show_start(self, phase: Phase) -> None:
        self._due = 0.0
        if phase.file.source == "download":
            self._show_progress(phase)

    def _show_progress(self, phase: Phase) -> None:
        if self._clock() < self._due:
            return
        self._due = self._clock() + _EVENT_SECONDS
        write_event(
            self._output,
            "verifying" if phase.is_hashing else "progress",
            {
                "file": phase.file.path,
                "completed_bytes": phase.done_bytes,
                "total_bytes": phase.file.size_bytes,
                "bytes_per_second": round(phase.bytes_per_second),
            },
        )

    def _show_waiting(self, file: "PlannedFile") -> None:
        write_event(self._output, "waiting", {"file": file.path})

    def _show_verifying(self, phase: Phase) -> None:
        self._due = 0.0
        self._show_progress(phase)

    def _show_end(self, file: "PlannedFile", path: Path) -> None:
        write_event(self._output, "finished", {"file": file.path, "path": str(path), "sha256": file.sha256})


def write_event(output: Output, event: str, values: Mapping[str, object]) -> None:
    """Write one JSON object on one line, on a terminal too: a reader takes lines."""
    output.answer.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")


def render_end(file: "PlannedFile") -> str:
    """What there is to say of a file that is in its place."""
    return f"{file_label(file)} is here{', its sha256 is right' if file.sha256 else ''}"


def _how_far(phase: Phase) -> str:
    share = phase.done_bytes * 100 // max(1, phase.file.size_bytes)
    how_far = f"{share} %, {render_bytes(phase.done_bytes)} of {render_bytes(phase.file.size_bytes)}"
    if phase.seconds_left is None:
        return how_far
    return f"{how_far}, {render_bytes(phase.bytes_per_second)}/s, {render_seconds(phase.seconds_left)} left"
