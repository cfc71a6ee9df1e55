"""`g4run recommend`: the model, quantization, and settings that suit this machine, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.arguments.checks import check_within, parse_choice, parse_context, parse_kv_type
from g4run.cli.arguments.machine import MachineOptions, MarginSize, resolve_machine
from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.errors import DoesNotFit, UsageError
from g4run.settings import read_settings, with_margin

if TYPE_CHECKING:
    from g4run.hardware.machine import Machine
    from g4run.models.names.types import Size
    from g4run.planner.recommend.goals import RecommendRequest
    from g4run.planner.recommend.recommend import Recommendation

_GOALS = "chat, code, vision, audio, or long-context"
_PREFERENCES = "quality, balanced, or speed"


@command
def recommend(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Consider only this size, such as gemma4:26b."),
    ] = None,
    ctx: Annotated[
        int | None,
        typer.Option(
            "--ctx", metavar="COUNT", parser=parse_context, help="Context length in tokens that must fit, such as 32k."
        ),
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
    show_all: Annotated[
        bool, typer.Option("--all", help="List all candidates, not only the eight most relevant.")
    ] = False,
    margin: MarginSize = None,
    as_json: Json = False,
    *,
    machine: MachineOptions,
    output: Output,
) -> int:
    """Recommend the model that suits this machine best.

    Never recommends a model that does not fit in the memory that is free now.
    """
    from g4run.cli.views.hardware import render_advice, render_assumptions, render_busy_note
    from g4run.cli.views.recommend import render_recommendation
    from g4run.cli.views.tables import line_width
    from g4run.models.catalog.catalog import read_catalog
    from g4run.models.store.store import Store
    from g4run.runtime.choose_file import recommend_file, with_measurements

    request = make_request(model, ctx, min_speed, prefer, goal, kv)
    settings = with_margin(read_settings(), margin)
    place = resolve_machine(machine, settings)
    catalog = read_catalog(settings.data_directory)
    recommendation = recommend_file(catalog, with_measurements(place, settings), request)
    if as_json:
        return _write_json(recommendation, place, output)
    best = recommendation.require_best()
    is_installed = Store(settings).find(best.file.name) is not None
    width = line_width(output.answer)
    output.answer.write(render_recommendation(recommendation, width, show_all=show_all, is_installed=is_installed))
    output.answer.write(render_assumptions(place, width) + render_busy_note(place, width))
    output.notes.write(render_advice(place, line_width(output.notes)))
    return 0


def _write_json(recommendation: "Recommendation", place: "Machine", output: Output) -> int:
    """Write the whole recommendation; if there is no choice, the error and the candidates."""
    from g4run.cli.views.errors import error_value
    from g4run.cli.views.json_values import json_value
    from g4run.cli.views.recommend import others_value, recommendation_value

    basis = {"assumptions": place.assumptions, "memory_bandwidth": json_value(place.memory_bandwidth)}
    try:
        value = recommendation_value(recommendation)
    except DoesNotFit as error:
        output.write_json({**error_value(error), **others_value(recommendation), **basis})
        return error.exit_code
    output.write_json({**value, **basis})
    return 0


def make_request(
    model: str | None,
    context: int | None,
    minimum_speed: float | None,
    preference: str,
    goal: str,
    kv_type: str | None,
) -> "RecommendRequest":
    """Check the typed options and build the request. Raises UsageError."""
    from g4run.engine.limits import MAX_COUNT
    from g4run.planner.recommend.goals import Goal, Preference, RecommendRequest

    if minimum_speed is not None and not 0 <= minimum_speed < float("inf"):
        raise UsageError(f"--min-speed must be 0 or more, not {minimum_speed}", "--min-speed 5")
    return RecommendRequest(
        goal=parse_choice("--for", goal, Goal),
        preference=parse_choice("--prefer", preference, Preference),
        size=None if model is None else _parse_model_size(model),
        context=check_within("--ctx", context, 1, MAX_COUNT, 8192),
        kv_type=parse_kv_type(kv_type),
        minimum_speed=minimum_speed,
    )


def _parse_model_size(text: str) -> "Size":
    """Parse a model size: 26b, gemma4:26b."""
    from g4run.models.names.parse import parse_name
    from g4run.models.names.types import FamilyName, Size

    if text.lower() in tuple(Size):
        return Size(text.lower())
    name = parse_name(text)
    if not isinstance(name, FamilyName) or name.quantization is not None:
        raise UsageError(f"{text} is not a size of Gemma 4", "g4run recommend gemma4:26b")
    return name.size
