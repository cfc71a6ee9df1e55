"""One line on a terminal that shows how far the reading of large files is."""

import time
from pathlib import Path
from typing import Final

from g4run.cli.output import Stream
from g4run.cli.terminal.status_line import BriefLine, Clock
from g4run.cli.views.tables import cut_middle
from g4run.units import render_bytes

_DELAY_SECONDS: Final = 0.1  # what is over at once needs no line
_WIDTH: Final = 78


class HashProgress(BriefLine):
    """What is done, which file, and how much of it."""

    def __init__(self, notes: Stream, verb: str, clock: Clock = time.monotonic) -> None:
        super().__init__(notes, _WIDTH, _DELAY_SECONDS, clock)
        self._verb = verb

    def update(self, path: Path, done_bytes: int) -> None:
        """So many bytes of a file are read."""
        label = cut_middle(f"{self._verb} {path.name}", _WIDTH - len(": 999.9 MB"))
        self.draw(f"{label}: {render_bytes(done_bytes)}")
