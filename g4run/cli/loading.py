"""Opening a model, with a line on the terminal that shows how far it is."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from g4run.cli.output import Stream
from g4run.settings import Settings

if TYPE_CHECKING:
    from g4run.models.library import ModelFile
    from g4run.runtime.model import ChatModel

_INTERVAL_SECONDS: Final = 0.1  # the cores that would draw it are loading
_DELAY_SECONDS: Final = 0.3  # what is over at once needs no line
_WIDTH: Final = 60


def open_model(file: "ModelFile", settings: Settings, context_length: int | None, notes: Stream) -> "ChatModel":
    """Load a model and show the progress; who gets it closes it."""
    from g4run.runtime.model import ChatModel, LoadOptions

    with LoadProgress(notes, file.name) as progress:
        return ChatModel.open(file, settings, LoadOptions(context_length), on_progress=progress.update)


class LoadProgress:
    """One line on a terminal, drawn at most ten times a second and wiped at the end; nothing elsewhere."""

    def __init__(self, stream: Stream, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._label = f"Loading {name}"[: _WIDTH - len(" 100%")]
        self._clock = clock
        self._due = clock() + _DELAY_SECONDS
        self._is_drawn = False

    def update(self, fraction: float) -> None:
        """Show the share that is loaded, 0 to 1."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + _INTERVAL_SECONDS
        self._is_drawn = True
        self._stream.replace_line(f"{self._label} {fraction:4.0%}", width=_WIDTH)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_drawn:
            self._stream.replace_line("", width=_WIDTH)
