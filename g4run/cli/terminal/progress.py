"""Pull progress as plain lines for a log and as JSON lines; progress_bars.py has the terminal's bars."""

import time
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Final

from g4run.cli.output import Output, Stream
from g4run.cli.terminal.status_line import Clock
from g4run.cli.views.pull import file_label, plan_value, render_plan
from g4run.models.pull.fetching import PullObserver
from g4run.units import render_bytes, render_seconds

if TYPE_CHECKING:
    from g4run.models.pull.plan import PlannedFile, PullPlan

_LINE_SECONDS: Final = 30.0  # longest time between two plain lines
_EVENT_SECONDS: Final = 0.5  # shortest time between two JSON progress lines
_RATE_SECONDS: Final = 5.0  # window of the speed


class Phase:
    """The download or the hashing of one file: a count that never decreases, and its recent speed."""

    def __init__(self, file: "PlannedFile", done_bytes: int, clock: Clock, *, is_hashing: bool) -> None:
        self.file = file
        self.done_bytes = done_bytes
        self.is_hashing = is_hashing
        self._clock = clock
        self._samples = [(clock(), done_bytes)]

    def advance(self, done_bytes: int) -> None:
        """Record a count."""
        now = self._clock()
        self.done_bytes = max(self.done_bytes, min(done_bytes, self.file.size_bytes))
        self._samples.append((now, self.done_bytes))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _RATE_SECONDS:
            del self._samples[0]

    @property
    def bytes_per_second(self) -> float:
        """The speed; 0 if unknown."""
        (first, before), (last, now) = self._samples[0], self._samples[-1]
        return (now - before) / (last - first) if last > first else 0.0

    @property
    def seconds_left(self) -> float | None:
        """The time left at this speed; None if unknown."""
        rate = self.bytes_per_second
        return (self.file.size_bytes - self.done_bytes) / rate if rate > 0 else None


class PullProgress(PullObserver):
    """Follows a pull file by file; subclasses show it. Not thread-safe."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._phase: Phase | None = None

    def started(self, file: "PlannedFile") -> None:
        """Start the next file."""
        self._phase = Phase(file, file.present_bytes, self._clock, is_hashing=False)
        if file.source == "download":
            self._show_start(self._phase)

    def progressed(self, file: "PlannedFile", done_bytes: int) -> None:
        """Record how many bytes of the file are downloaded, or hashed."""
        phase = self._phase
        if phase is None or phase.file != file or (phase.is_hashing and done_bytes < phase.done_bytes):
            # Hashing never goes back: the file had a wrong hash and is downloaded now.
            phase = self._phase = Phase(file, 0, self._clock, is_hashing=False)
        phase.advance(done_bytes)
        self._show_progress(phase)

    def verifying(self, file: "PlannedFile") -> None:
        """Start hashing a file that was already here; `progressed` counts from 0."""
        self._phase = Phase(file, 0, self._clock, is_hashing=True)
        self._show_start(self._phase)

    def close(self) -> None:
        """Restore the terminal, also after an error."""

    @abstractmethod
    def _show_start(self, phase: Phase) -> None: ...

    @abstractmethod
    def _show_progress(self, phase: Phase) -> None: ...


class PlainProgress(PullProgress):
    """Lines on stderr: at a file's start and end, and for each tenth or half minute."""

    def __init__(self, notes: Stream, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._notes = notes
        self._due_bytes = 0
        self._due_time = 0.0

    def planned(self, plan: "PullPlan") -> None:
        """Write the plan."""
        self._notes.write(render_plan(plan, None))

    def waiting(self, file: "PlannedFile") -> None:
        """Write that another process is downloading this file."""
        self._say(f"waiting: another process is downloading {file_label(file)}")

    def finished(self, file: "PlannedFile", path: Path) -> None:
        """Write the last line of a file."""
        self._say(f"{file_label(file)}: done{', sha256 verified' if file.sha256 else ''}")

    def _show_start(self, phase: Phase) -> None:
        self._set_due(phase)
        if phase.is_hashing:
            self._say(f"verifying {file_label(phase.file)}: {render_bytes(phase.file.size_bytes)}")
        else:
            here = f", {render_bytes(phase.done_bytes)} already downloaded" if phase.done_bytes else ""
            self._say(f"downloading {file_label(phase.file)}: {render_bytes(phase.file.size_bytes)}{here}")

    def _show_progress(self, phase: Phase) -> None:
        if phase.done_bytes >= phase.file.size_bytes:
            return
        if phase.done_bytes < self._due_bytes and self._clock() < self._due_time:
            return
        self._set_due(phase)
        self._say(f"{'verifying ' if phase.is_hashing else ''}{file_label(phase.file)}: {_progress_text(phase)}")

    def _set_due(self, phase: Phase) -> None:
        tenth = max(1, phase.file.size_bytes // 10)
        self._due_bytes = (phase.done_bytes // tenth + 1) * tenth
        self._due_time = self._clock() + _LINE_SECONDS

    def _say(self, line: str) -> None:
        self._notes.write(f"{line}\n")


class JsonProgress(PullProgress):
    """One JSON object a line on stdout; for progress, at most two a second."""

    def __init__(self, output: Output, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._output = output
        self._due = 0.0

    def planned(self, plan: "PullPlan") -> None:
        """Write the plan."""
        self._output.write_event("plan", plan_value(plan))

    def waiting(self, file: "PlannedFile") -> None:
        """Write that another process is downloading this file."""
        self._output.write_event("waiting", {"file": file.path})

    def finished(self, file: "PlannedFile", path: Path) -> None:
        """Write where the file is."""
        self._output.write_event("finished", {"file": file.path, "path": str(path), "sha256": file.sha256})

    def _show_start(self, phase: Phase) -> None:
        self._due = 0.0
        self._show_progress(phase)

    def _show_progress(self, phase: Phase) -> None:
        if self._clock() < self._due:
            return
        self._due = self._clock() + _EVENT_SECONDS
        self._output.write_event(
            "verifying" if phase.is_hashing else "progress",
            {
                "file": phase.file.path,
                "completed_bytes": phase.done_bytes,
                "total_bytes": phase.file.size_bytes,
                "bytes_per_second": round(phase.bytes_per_second),
            },
        )


def _progress_text(phase: Phase) -> str:
    share = phase.done_bytes * 100 // max(1, phase.file.size_bytes)
    text = f"{share} %, {render_bytes(phase.done_bytes)} of {render_bytes(phase.file.size_bytes)}"
    if phase.seconds_left is None:
        return text
    return f"{text}, {render_bytes(phase.bytes_per_second)}/s, {render_seconds(phase.seconds_left)} left"
