"""Pull progress on a terminal: one bar per file, with bytes, speed, and time left."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich import progress as rich_progress
from rich.console import Console
from rich.table import Table

from g4run.cli.output import Stream
from g4run.cli.terminal.progress import Phase, PullProgress
from g4run.cli.views.pull import file_label, render_plan
from g4run.cli.views.tables import cut_middle, line_width

if TYPE_CHECKING:
    from g4run.models.pull.plan import PlannedFile, PullPlan

_LABEL_WIDTH: Final = 30  # columns; the rest of 80 holds the bar, the bytes, the speed, and the time
_FULL_WIDTH: Final = 74  # of a terminal with room for all of these
_MARGIN: Final = 3  # columns, so that the "^C" that the terminal adds to the last line does not wrap
_FIGURES_WIDTH: Final = 6  # of " 100 %"
_REFRESHES_PER_SECOND: Final = 5


class BarProgress(PullProgress):
    """One bar per file, drawn by Rich on stderr; earlier bytes count, and no bar goes back."""

    def __init__(self, notes: Stream, console: Console) -> None:
        super().__init__()
        self._notes = notes
        self._label_width = max(1, min(_LABEL_WIDTH, console.width - _FIGURES_WIDTH - _MARGIN))
        self._bars = _Bars(
            *(_narrow_columns() if console.width < _FULL_WIDTH else _columns()),
            console=console,
            expand=True,
            refresh_per_second=_REFRESHES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[str, rich_progress.TaskID] = {}

    def close(self) -> None:
        """Stop the bars in their last state and restore the cursor."""
        self._bars.stop()

    def planned(self, plan: "PullPlan") -> None:
        """Write the plan."""
        self._notes.write(render_plan(plan, line_width(self._notes)))

    def waiting(self, file: "PlannedFile") -> None:
        """Label the bar, if there is one, with what it waits for."""
        self._update(file, f"waiting for {file_label(file)}")

    def finished(self, file: "PlannedFile", path: Path) -> None:
        """Fill the bar, if there is one."""
        self._update(file, file_label(file), file.size_bytes)

    def _show_start(self, phase: Phase) -> None:
        self._bars.start()
        self._show_progress(phase)

    def _show_progress(self, phase: Phase) -> None:
        file = phase.file
        if file.path not in self._tasks:
            self._tasks[file.path] = self._bars.add_task("", total=file.size_bytes)
        self._update(file, f"{'verifying ' if phase.is_hashing else ''}{file_label(file)}", phase.done_bytes)

    def _update(self, file: "PlannedFile", label: str, done_bytes: int | None = None) -> None:
        task = self._tasks.get(file.path)
        if task is not None:
            self._bars.update(task, completed=done_bytes, description=self._label(label))

    def _label(self, text: str) -> str:
        """Return a name that fits beside its bar, without control characters."""
        plain = "".join(character if character.isprintable() else "\ufffd" for character in text)
        return f"{cut_middle(plain, self._label_width):<{self._label_width}}"


class _Bars(rich_progress.Progress):
    """Rich's bars with a right margin that stays empty, without even spaces."""

    def make_tasks_table(self, tasks: Iterable[rich_progress.Task]) -> Table:
        """Return the table of all bars."""
        table = super().make_tasks_table(tasks)
        if self.tasks:  # without tasks, Rich is still being constructed and has no console
            table.width = max(1, self.console.width - _MARGIN)
        return table


def _columns() -> tuple[rich_progress.ProgressColumn, ...]:
    return (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(bar_width=None),
        rich_progress.DownloadColumn(),
        rich_progress.TransferSpeedColumn(),
        rich_progress.TimeRemainingColumn(compact=True),
    )


def _narrow_columns() -> tuple[rich_progress.ProgressColumn, ...]:
    """Return name and percentage only, since a wrapped bar is useless."""
    return (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.TextColumn("{task.percentage:>3.0f} %", markup=False),
    )
