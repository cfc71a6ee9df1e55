"""`g4run recommend`: which model, which quantization and which settings suit this machine, and why."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.arguments.machine import Cores, GpuName, MachineFile, MachineOptions, Ram, Vram, find_machine
from g4run.cli.output import Output, Task
from g4run.errors import DoesNotFit, UsageError
from g4run.settings import read_settings

if TYPE_CHECKING:
    from g4run.models.names.parse import Size
    from g4run.planner.recommend.goals import RecommendRequest
    from g4run.planner.recommend.recommend import Recommendation

_GOALS = "chat, code, vision, audio, or long-context"
_PREFERENCES = "quality, balanced, or speed"


def recommend(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Consider only this size, such as gemma4:26b."),
    ] = None,
    ctx: Annotated[
        int | None, typer.Option("--ctx", metavar="COUNT", help="Context length in tokens that must fit.")
    ] = None,
    min_speed: Annotated[
        float | None, typer.Option("--min-speed", metavar="NUMBER", help="Minimum speed in tokens per second.")
    ] = None,
    prefer: Annotated[
        str, typer.Option("--prefer", metavar="WHAT", help=f"What matters most: {_PREFERENCES}.")
    ] = "balanced",
    goal: Annotated[str, typer.Option("--for", metavar="GOAL", help=f"What you need it for: {_GOALS}.")] = "chat",
    kv: Annotated[
        str | None,
        typer.Option(
            "--kv", metavar="TYPE", help="Type of the KV cache: f16, q8_0, or q4_0. [default: f16 if it fits]"
        ),
    ] = None,
    gpu: GpuName = None,
    vram: Vram = None,
    ram: Ram = None,
    cores: Cores = None,
    machine: MachineFile = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="List all candidates, not only the eight most relevant.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, errors included.")] = False,
) -> Task:
    """Recommend the model that suits this machine best.

    Never recommends a model that does not fit in the memory that is free now.
    """
    options = MachineOptions(machine, gpu, vram, ram, cores)
    return partial(_execute, model, ctx, min_speed, prefer, goal, kv, options, show_all, as_json)


def _execute(
    model: str | None,
    context: int | None,
    minimum_speed: float | None,
    preference: str,
    goal: str,
    kv_type: str | None,
    machine_options: MachineOptions,
    show_all: bool,
    as_json: bool,
    output: Output,
) -> int:
    from g4run.cli.views.hardware import render_advice
    from g4run.cli.views.recommend import render_recommendation
    from g4run.cli.views.tables import line_width
    from g4run.models.catalog.catalog import read_catalog
    from g4run.models.store.store import Store
    from g4run.planner.recommend.recommend import recommend as choose
    from g4run.planner.speed.measured import known_digests
    from g4run.runtime.speeds import measured_speeds

    request = make_request(model, context, minimum_speed, preference, goal, kv_type)
    settings = read_settings()
    machine = find_machine(machine_options, settings)
    measured = measured_speeds(settings, machine)
    catalog = read_catalog(settings.data_directory)
    records = Store(settings).records()
    recommendation = choose(catalog, machine, request, measured=measured, digests=known_digests(records))
    if as_json:
        return _write_json(recommendation, output)
    best = recommendation.require_best()
    is_here = any(record.name == best.file.name for record in records)
    width = line_width(output.answer)
    output.answer.write(render_recommendation(recommendation, width, show_all=show_all, is_here=is_here))
    output.notes.write(render_advice(machine, line_width(output.notes)))
    return 0


def _write_json(recommendation: "Recommendation", output: Output) -> int:
    """All of it; where nothing will do, the failure with what was considered beside it."""
    from g4run.cli.views.errors import error_value
    from g4run.cli.views.recommend import others_value, recommendation_value

    try:
        value = recommendation_value(recommendation)
    except DoesNotFit as error:
        output.write_json({**error_value(error), **others_value(recommendation)})
        return error.exit_code
    output.write_json(value)
    return 0


def make_request(
    model: str | None,
    context: int | None,
    minimum_speed: float | None,
    preference: str,
    goal: str,
    kv_type: str | None,
) -> "RecommendRequest":
    """Check what was typed and make it one. Raises UsageError."""
    from g4run.engine.limits import MAX_COUNT
    from g4run.kv_types import KvType
    from g4run.planner.recommend.goals import Goal, Preference, RecommendRequest

    if context is not None and not 1 <= context <= MAX_COUNT:
        raise UsageError(f"--ctx must be between 1 and {MAX_COUNT}, not {context}", "--ctx 8192")
    if minimum_speed is not None and not 0 <= minimum_speed < float("inf"):
        raise UsageError(f"--min-speed must be 0 or more, not {minimum_speed}", "--min-speed 5")
    return RecommendRequest(
        goal=Goal(_one_of("--for", goal, tuple(Goal))),
        preference=Preference(_one_of("--prefer", preference, tuple(Preference))),
        size=None if model is None else _parse_model_size(model),
        context=context,
        kv_type=None if kv_type is None else KvType(_one_of("--kv", kv_type, tuple(KvType))),
        minimum_speed=minimum_speed,
    )


def _parse_model_size(text: str) -> "Size":
    """The size that is fixed: 26b, gemma4:26b."""
    from g4run.models.names.parse import FamilyName, Size, parse_name

    if text.lower() in tuple(Size):
        return Size(text.lower())
    name = parse_name(text)
    if not isinstance(name, FamilyName) or name.quantization is not None:
        raise UsageError(f"{text} is no size of Gemma 4", "g4run recommend gemma4:26b")
    return name.size


def _one_of(option: str, text: str, choices: tuple[str, ...]) -> str:
    if text.lower() not in choices:
        raise UsageError(f"{option} must be one of {', '.join(choices)}, not {text!r}", f"{option} {choices[0]}")
    return text.lower()
