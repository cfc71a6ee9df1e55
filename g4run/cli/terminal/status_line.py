"""A status line on a terminal, redrawn in place while something runs and cleared at the end."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from g4run.cli.output import Stream
from g4run.cli.views.tables import cut_middle
from g4run.units import render_bytes

_INTERVAL_SECONDS: Final = 0.1  # drawing takes time from the cores that compute
_HASH_DELAY_SECONDS: Final = 0.1  # faster work shows no line
_HASH_WIDTH: Final = 78

Clock: TypeAlias = Callable[[], float]


class StatusLine:
    """A line that is drawn at most ten times a second and cleared at the end, only on a terminal."""

    def __init__(self, notes: Stream, width: int, delay_seconds: float, clock: Clock = time.monotonic) -> None:
        self._notes = notes
        self._width = width
        self._clock = clock
        self._due = clock() + delay_seconds
        self._is_drawn = False

    def draw(self, text: str) -> None:
        """Redraw the line if a redraw is due."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + _INTERVAL_SECONDS
        self._is_drawn = True
        self._notes.replace_line(text, width=self._width)

    def clear(self) -> None:
        """Clear the line."""
        if self._is_drawn:
            self._notes.replace_line("", width=self._width)
            self._is_drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.clear()


class HashProgress(StatusLine):
    """The work, the file, and the bytes read so far."""

    def __init__(self, notes: Stream, verb: str, clock: Clock = time.monotonic) -> None:
        super().__init__(notes, _HASH_WIDTH, _HASH_DELAY_SECONDS, clock)
        self._verb = verb

    def update(self, path: Path, done_bytes: int) -> None:
        """Show how many bytes of a file are read."""
        label = cut_middle(f"{self._verb} {path.name}", _HASH_WIDTH - len(": 999.9 MB"))
        self.draw(f"{label}: {render_bytes(done_bytes)}")
