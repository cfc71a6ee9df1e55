"""One line on a terminal that shows how far the reading of large files is."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from g4run.cli.output import Stream
from g4run.cli.tables import cut_middle
from g4run.units import render_bytes

_INTERVAL_SECONDS: Final = 0.1
_WIDTH: Final = 78


class HashProgress:
    """A line that is drawn at most ten times a second and wiped at the end; nothing but on a terminal."""

    def __init__(self, notes: Stream, verb: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._notes = notes
        self._verb = verb
        self._clock = clock
        self._due = clock() + _INTERVAL_SECONDS
        self._is_drawn = False

    def update(self, path: Path, done_bytes: int) -> None:
        """So many bytes of a file are read."""
        if not self._notes.is_terminal or self._clock() < self._due:
            return
        self._due = self._clock() + _INTERVAL_SECONDS
        self._is_drawn = True
        label = cut_middle(f"{self._verb} {path.name}", _WIDTH - len(": 999.9 MB"))
        self._notes.replace_line(f"{label}: {render_bytes(done_bytes)}", width=_WIDTH)

    def wipe(self) -> None:
        """Leave nothing of the line."""
        if self._is_drawn:
            self._notes.replace_line("", width=_WIDTH)
            self._is_drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.wipe()
