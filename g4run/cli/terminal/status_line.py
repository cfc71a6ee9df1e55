"""One line on a terminal that shows how far something is, and leaves nothing behind."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TypeAlias

from g4run.cli.output import Stream

_INTERVAL_SECONDS: Final = 0.1  # the cores that would draw it are at work

Clock: TypeAlias = Callable[[], float]


class BriefLine:
    """A line that is drawn at most ten times a second and wiped at the end; nothing but on a terminal."""

    def __init__(self, notes: Stream, width: int, delay_seconds: float, clock: Clock = time.monotonic) -> None:
        self._notes = notes
        self._width = width
        self._clock = clock
        self._due = clock() + delay_seconds
        self._is_drawn = False

    def draw(self, text: str) -> None:
        """Put text in the line's place, where it is time for it."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + _INTERVAL_SECONDS
        self._is_drawn = True
        self._notes.replace_line(text, width=self._width)

    def wipe(self) -> None:
        """Leave nothing of the line."""
        if self._is_drawn:
            self._notes.replace_line("", width=self._width)
            self._is_drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.wipe()
