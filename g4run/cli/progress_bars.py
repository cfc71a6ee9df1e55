"""How far a pull is, on a terminal: one bar a file, with bytes, speed and time left."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from g4run.cli.output import Stream
from g4run.cli.progress import Phase, PullProgress
from g4run.cli.pull_views import file_label, render_plan
from g4run.cli.tables import cut_middle, line_width

if TYPE_CHECKING:
    from g4run.models.pull.plan import PlannedFile, PullPlan

_LABEL_WIDTH: Final = 30  # columns; what is left of 80 holds a bar, the bytes, the speed and the time
_DRAWN_A_SECOND: Final = 5


class BarProgress(PullProgress):
    """One bar a file, drawn by rich on stderr; what was here before counts, and no bar goes back."""

    def __init__(self, notes: Stream, console: Console) -> None:
        super().__init__()
        self._notes = notes
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(),
            SpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
            refresh_per_second=_DRAWN_A_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[str, TaskID] = {}

    def close(self) -> None:
        """Leave the last state of the bars on the screen, and give the cursor back."""
        self._bars.stop()

    def _show_plan(self, plan: "PullPlan") -> None:
        self._notes.write(render_plan(plan, line_width(self._notes)))

    def _show_start(self, phase: Phase) -> None:
        if phase.file.source == "download":
            self._bars.start()
            self._draw(phase, file_label(phase.file))

    def _show_progress(self, phase: Phase) -> None:
        self._draw(phase, f"verifying {file_label(phase.file)}" if phase.is_hashing else file_label(phase.file))

    def _show_waiting(self, file: "PlannedFile") -> None:
        self._describe(file, f"waiting for {file_label(file)}")

    def _show_verifying(self, phase: Phase) -> None:
        self._bars.start()
        self._draw(phase, f"verifying {file_label(phase.file)}")

    def _show_end(self, file: "PlannedFile", path: Path) -> None:
        task = self._tasks.get(file.path)
        if task is not None:
            self._bars.update(task, completed=file.size_bytes, description=_label(file_label(file)))

    def _draw(self, phase: Phase, label: str) -> None:
        file = phase.file
        task = self._tasks.get(file.path)
        if task is None:
            self._tasks[file.path] = self._bars.add_task(
                _label(label), total=file.size_bytes, completed=phase.done_bytes
            )
        else:
            self._bars.update(task, completed=phase.done_bytes, description=_label(label))

    def _describe(self, file: "PlannedFile", label: str) -> None:
        task = self._tasks.get(file.path)
        if task is not None:
            self._bars.update(task, description=_label(label))


def _label(text: str) -> str:
    """A name that fits beside its bar, and moves no cursor."""
    plain = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return f"{cut_middle(plain, _LABEL_WIDTH):<{_LABEL_WIDTH}}"
