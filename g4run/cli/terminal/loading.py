"""Opening a model: what was chosen for it in one line, and a line on the terminal that shows how far it is."""

import textwrap
import time
from typing import TYPE_CHECKING, Final

from g4run.cli.output import Stream
from g4run.cli.terminal.status_line import Clock, StatusLine
from g4run.cli.views.tables import capitalize, cut_middle, line_width
from g4run.settings import Settings
from g4run.units import render_count, render_plural

if TYPE_CHECKING:
    from g4run.models.library import ModelFile
    from g4run.planner.values import DeviceLedger, Plan
    from g4run.runtime.loader import LoadStep
    from g4run.runtime.loading import LoadOptions
    from g4run.runtime.model import ChatModel

_DELAY_SECONDS: Final = 0.3  # what is over at once needs no line
_WIDTH: Final = 60
_LEAST_NAME: Final = 12  # columns
_ROUND_GB: Final = 10  # from here on a tenth tells nothing


def open_model(
    file: "ModelFile", settings: Settings, options: "LoadOptions", notes: Stream, *, is_quiet: bool = False
) -> "ChatModel":
    """Load a model, say how, and show the progress; who gets it closes it. `is_quiet` leaves out how."""
    from g4run.runtime.model import ChatModel

    progress = LoadProgress(notes, file.name)

    def show(step: "LoadStep") -> None:
        progress.wipe()
        if not is_quiet:
            notes.write(render_step(file.name, step, line_width(notes)))

    with progress:
        return ChatModel.open(file, settings, options, on_progress=progress.update, on_step=show)


def render_step(name: str, step: "LoadStep", width: int | None) -> str:
    """What is about to be loaded, in one line; before it, why the way before it was left."""
    failure = f"{capitalize(step.failure.message)}; trying another way" if step.failure else ""
    choice = describe_plan(step.plan)
    room = len(name) if width is None else max(_LEAST_NAME, width - len(choice) - 2)
    wrapped = textwrap.wrap(failure, width or max(1, len(failure)), break_on_hyphens=False)
    return "".join(f"{line}\n" for line in (*wrapped, f"{cut_middle(name, room)}: {choice}"))


def describe_plan(plan: "Plan") -> str:
    """Where the layers go, the settings, and the memory, in a few words."""
    settings = plan.settings
    words = [_place(plan), f"context {render_count(settings.context)}", f"{settings.kv_type.value} cache"]
    if settings.gpu_layers == 0:
        words.append(render_plural(settings.threads, "thread"))
    words += [_share(device) for device in plan.ledger.devices]
    return ", ".join(words)


def _place(plan: "Plan") -> str:
    from g4run.planner.values import Placement

    settings, layers = plan.settings, plan.shape.architecture.layers + 1
    match plan.placement:
        case Placement.CPU:
            return "on the CPU"
        case Placement.GPU:
            return "all on the GPU"
        case Placement.EXPERTS_ON_CPU:
            return f"on the GPU, experts of {settings.cpu_expert_layers} layers on the CPU"
        case Placement.PARTIAL:
            return f"{settings.gpu_layers} of {layers} layers on the GPU"


def _share(device: "DeviceLedger") -> str:
    """What is taken of what is free, in GB of 10^9 bytes."""
    place = "RAM" if device.gpu is None else "GPU" if device.gpu == 0 else f"GPU {device.gpu}"
    free = device.free_bytes / 1e9
    return f"{device.total_bytes / 1e9:.1f} of {free:.{0 if free >= _ROUND_GB else 1}f} GB {place}"


class LoadProgress(StatusLine):
    """Which model, and the share of it that is loaded."""

    def __init__(self, notes: Stream, name: str, clock: Clock = time.monotonic) -> None:
        super().__init__(notes, _WIDTH, _DELAY_SECONDS, clock)
        self._label = f"Loading {name}"[: _WIDTH - len(" 100%")]

    def update(self, fraction: float) -> None:
        """Show the share that is loaded, 0 to 1."""
        self.draw(f"{self._label} {fraction:4.0%}")
