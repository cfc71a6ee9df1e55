"""How a model file is to be loaded on this machine."""

import os
from dataclasses import dataclass

from g4run.engine.parameters import LoadParameters
from g4run.errors import UsageError
from g4run.hardware.processors import inspect_processors
from g4run.models.library import ModelFile
from g4run.settings import Settings
from g4run.units import render_count

DEFAULT_CONTEXT_LENGTH = 8192  # what most conversations stay within; at E2B's shape 60 MiB of cache, at 31B's 1.8 GiB
# Threads wait for each other after every operation. Over weights as small as the built-in model's 3 MB that leaves
# little to gain (two threads: 1,540 tokens/s, one: 1,430) and much to lose where other programs hold a core (15, 235).
ONE_THREAD_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What a person fixed; None leaves the choice to the program. Lengths in tokens."""

    context_length: int | None = None


def plan_load(model: ModelFile, settings: Settings, options: LoadOptions) -> LoadParameters:
    """Parameters for loading `model` here. Raises UsageError for a context longer than the model was trained for."""
    return LoadParameters(
        model_path=os.fsencode(model.path),
        context_length=_choose_context_length(model, settings, options),
        threads=settings.threads or _choose_threads(model),
    )


def _choose_threads(model: ModelFile) -> int:
    if model.header.weights_bytes < ONE_THREAD_BYTES:
        return 1
    return inspect_processors().threads


def _choose_context_length(model: ModelFile, settings: Settings, options: LoadOptions) -> int:
    trained = model.architecture.context_length
    if options.context_length is not None and options.context_length > trained:
        raise UsageError(
            f"{model.name} was trained for a context of {render_count(trained)} tokens, "
            f"not {render_count(options.context_length)}",
            f"--ctx {trained}",
        )
    return options.context_length or min(settings.context_length or DEFAULT_CONTEXT_LENGTH, trained)
