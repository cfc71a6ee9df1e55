"""Open a model: print its settings in one line, and show the load progress on a terminal."""

import textwrap
import time
from typing import TYPE_CHECKING, Final

from g4run.cli.output import Stream
from g4run.cli.terminal.status_line import Clock, StatusLine
from g4run.cli.views.tables import capitalize, cut_middle, line_width
from g4run.settings import Settings
from g4run.units import render_bytes, render_count, render_plural

if TYPE_CHECKING:
    from g4run.models.library import ModelFile
    from g4run.planner.values import DeviceLedger, Plan
    from g4run.runtime.loader import LoadStep
    from g4run.runtime.loading import LoadOptions
    from g4run.runtime.model import ChatModel

_DELAY_SECONDS: Final = 0.3  # a faster load shows no line
_WIDTH: Final = 60
_MIN_NAME_WIDTH: Final = 12  # columns
_ROUND_GB: Final = 10  # from here on, no decimals


def open_model(
    file: "ModelFile", settings: Settings, options: "LoadOptions", notes: Stream, *, is_quiet: bool = False
) -> "ChatModel":
    """Load a model, printing its settings unless `is_quiet`, and the progress; the caller closes it."""
    from g4run.runtime.model import ChatModel

    progress = LoadProgress(notes, file.name)

    def show(step: "LoadStep") -> None:
        progress.clear()
        if not is_quiet:
            notes.write(render_step(file.name, step, line_width(notes)))

    with progress:
        return ChatModel.open(file, settings, options, on_progress=progress.update, on_step=show)


def render_step(name: str, step: "LoadStep", width: int | None) -> str:
    """Render the settings of a load in one line, after the failure of the previous attempt, if any."""
    failure = f"{capitalize(step.failure.message)}; trying other settings" if step.failure else ""
    choice = describe_plan(step.plan)
    room = len(name) if width is None else max(_MIN_NAME_WIDTH, width - len(choice) - 2)
    wrapped = textwrap.wrap(failure, width or max(1, len(failure)), break_on_hyphens=False)
    return "".join(f"{line}\n" for line in (*wrapped, f"{cut_middle(name, room)}: {choice}"))


def describe_plan(plan: "Plan") -> str:
    """Summarize the placement, the settings, and the memory."""
    from g4run.planner.placement import missing_bytes

    settings = plan.settings
    words = [_place(plan), f"context {render_count(settings.context)}", f"{settings.kv_type.value} cache"]
    if settings.gpu_layers == 0:
        words.append(render_plural(settings.threads, "thread"))
    words += [_share(device) for device in plan.ledger.devices]
    if plan.ledger.can_load and not plan.ledger.fits:
        words.append(f"{render_bytes(missing_bytes(plan.ledger))} less than the margin to spare")
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
    """Return the memory used and free, in GB of 10^9 bytes."""
    place = "RAM" if device.gpu is None else "GPU" if device.gpu == 0 else f"GPU {device.gpu}"
    free = device.free_bytes / 1e9
    return f"{device.total_bytes / 1e9:.1f} of {free:.{0 if free >= _ROUND_GB else 1}f} GB {place}"


class LoadProgress(StatusLine):
    """The model's name and the loaded share."""

    def __init__(self, notes: Stream, name: str, clock: Clock = time.monotonic) -> None:
        super().__init__(notes, _WIDTH, _DELAY_SECONDS, clock)
        self._label = f"Loading {name}"[: _WIDTH - len(" 100%")]

    def update(self, fraction: float) -> None:
        """Show the loaded share, 0 to 1."""
        self.draw(f"{self._label} {fraction:4.0%}")
