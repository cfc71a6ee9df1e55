"""Opening a model, with a line on the terminal that shows how far it is."""

import time
from typing import TYPE_CHECKING, Final

from g4run.cli.brief_line import BriefLine, Clock
from g4run.cli.output import Stream
from g4run.settings import Settings

if TYPE_CHECKING:
    from g4run.models.library import ModelFile
    from g4run.runtime.model import ChatModel

_DELAY_SECONDS: Final = 0.3  # what is over at once needs no line
_WIDTH: Final = 60


def open_model(file: "ModelFile", settings: Settings, context_length: int | None, notes: Stream) -> "ChatModel":
    """Load a model and show the progress; who gets it closes it."""
    from g4run.runtime.model import ChatModel, LoadOptions

    with LoadProgress(notes, file.name) as progress:
        return ChatModel.open(file, settings, LoadOptions(context_length), on_progress=progress.update)


class LoadProgress(BriefLine):
    """Which model, and the share of it that is loaded."""

    def __init__(self, notes: Stream, name: str, clock: Clock = time.monotonic) -> None:
        super().__init__(notes, _WIDTH, _DELAY_SECONDS, clock)
        self._label = f"Loading {name}"[: _WIDTH - len(" 100%")]

    def update(self, fraction: float) -> None:
        """Show the share that is loaded, 0 to 1."""
        self.draw(f"{self._label} {fraction:4.0%}")
