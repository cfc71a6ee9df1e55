"""`g4run recommend`: which model, which quantization and which settings suit this machine, and why."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.output import Output, Task
from g4run.errors import UsageError
from g4run.settings import read_settings

if TYPE_CHECKING:
    from g4run.hardware.machine import Machine
    from g4run.models.names.parse import Size
    from g4run.planner.goals import RecommendRequest
    from g4run.settings import Settings

_GOALS = "chat, code, vision, audio, long-context"
_PREFERENCES = "quality, balanced, speed"
_MAX_CONTEXT = 2**31 - 1  # llama.cpp counts in 32-bit signed integers


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """Which machine is asked about: this one or a file's, and what is altered of it, as typed."""

    file: Path | None = None
    gpu: str | None = None
    vram: str | None = None
    ram: str | None = None
    cores: int | None = None


def recommend(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Only this size, as in gemma4:26b; chooses the quantization."),
    ] = None,
    ctx: Annotated[int | None, typer.Option("--ctx", metavar="COUNT", help="Context in tokens that must fit.")] = None,
    min_speed: Annotated[
        float | None, typer.Option("--min-speed", metavar="NUMBER", help="Tokens per second at the least.")
    ] = None,
    prefer: Annotated[str, typer.Option("--prefer", metavar="WHAT", help=f"{_PREFERENCES}.")] = "balanced",
    goal: Annotated[str, typer.Option("--for", metavar="GOAL", help=f"{_GOALS}.")] = "chat",
    kv: Annotated[
        str | None, typer.Option("--kv", metavar="TYPE", help="Cache of f16, q8_0 or q4_0; else what fits, f16 first.")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", metavar="NAME", help='As if it had this GPU, "RTX 4090"; none: no GPU.')
    ] = None,
    vram: Annotated[str | None, typer.Option(metavar="SIZE", help="As if its GPU had so much memory: 12GB.")] = None,
    ram: Annotated[str | None, typer.Option(metavar="SIZE", help="As if it had so much main memory: 32GB.")] = None,
    cores: Annotated[int | None, typer.Option(metavar="COUNT", help="As if it had so many physical cores.")] = None,
    machine: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another machine, as `g4run hardware --json` prints it.")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Every candidate, not the eight that tell most.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, failures included.")] = False,
) -> Task:
    """Say which model suits this machine, and why.

    Never one that does not fit in what is free now.
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
    from g4run.cli.recommend_views import recommendation_value, render_recommendation
    from g4run.cli.tables import line_width
    from g4run.models.catalog.catalog import read_catalog
    from g4run.planner.recommend import recommend as choose
    from g4run.runtime.speeds import measured_speeds

    request = make_request(model, context, minimum_speed, preference, goal, kv_type)
    settings = read_settings()
    machine = find_machine(machine_options, settings)
    measured = measured_speeds(settings, machine)
    catalog = read_catalog(settings.data_directory)
    recommendation = choose(catalog, machine, request, measured=measured)
    best = recommendation.require_best()
    if as_json:
        output.write_json(recommendation_value(recommendation))
        return 0
    is_here = _is_here(best.file.name, settings)
    width = line_width(output.answer)
    output.answer.write(render_recommendation(recommendation, width, show_all=show_all, is_here=is_here))
    _warn(machine, output)
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
    from g4run.engine.parameters import KvType
    from g4run.planner.goals import Goal, Preference, RecommendRequest

    if context is not None and not 1 <= context <= _MAX_CONTEXT:
        raise UsageError(f"--ctx must be between 1 and {_MAX_CONTEXT}, not {context}", "--ctx 8192")
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


def find_machine(options: MachineOptions, settings: "Settings") -> "Machine":
    """The machine that is asked about. Raises UsageError for a file that does not describe one."""
    from g4run.cli.hardware import inspect_this_machine
    from g4run.hardware.gpu_table import find_gpu
    from g4run.planner.what_if import alter_machine, parse_bytes

    if options.cores is not None and options.cores < 1:
        raise UsageError(f"--cores must be 1 or more, not {options.cores}", "--cores 8")
    return alter_machine(
        inspect_this_machine(settings) if options.file is None else read_machine(options.file),
        gpu=options.gpu,
        vram_bytes=None if options.vram is None else parse_bytes("--vram", options.vram),
        ram_bytes=None if options.ram is None else parse_bytes("--ram", options.ram),
        cores=options.cores,
        find_gpu=find_gpu,
    )


def read_machine(path: Path) -> "Machine":
    """A machine as `g4run hardware --json` printed it. Raises UsageError, which names what is missing."""
    from g4run.hardware.machine_json import parse_machine

    hint = f"g4run hardware --json > {path}"
    try:
        value: object = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}", hint) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", hint) from None
    return parse_machine(value)


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


def _is_here(name: str, settings: "Settings") -> bool:
    from g4run.models.store.store import Store

    return any(record.name == name for record in Store(settings).records())


def _warn(machine: "Machine", output: Output) -> None:
    """Say where a GPU is here that the installed build cannot use."""
    build = machine.build
    if build.advice:
        output.notes.write(f"\n{build.advice}\n" + (f"  {build.command}\n" if build.command else ""))
