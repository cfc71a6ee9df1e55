"""`g4run plan`: the memory that a model needs on this machine or another, item by item."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.arguments.checks import check_within, parse_context, parse_kv_type, parse_servers
from g4run.cli.arguments.machine import MachineOptions, MarginSize, resolve_machine
from g4run.cli.arguments.options import Rpc
from g4run.cli.command import Json, command
from g4run.cli.open_hub import open_hub
from g4run.cli.output import Output
from g4run.settings import read_settings, with_margin

if TYPE_CHECKING:
    from g4run.hardware.machine import Machine
    from g4run.models.library import Library
    from g4run.planner.values import Plan, PlanRequest

_MAX_SEQUENCES = 256  # LLAMA_MAX_SEQ, llama-cparams.h


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """The settings on the command line, as typed; None leaves a choice to the planner."""

    context: int | None = None
    kv_type: str | None = None
    sequences: int = 1
    micro_batch: int | None = None
    gpu_layers: int | None = None
    cpu_experts: int | None = None


@command
def plan(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name, path of a GGUF file, or 'demo'.")],
    ctx: Annotated[
        int | None,
        typer.Option("--ctx", metavar="COUNT", parser=parse_context, help="Context length in tokens, such as 32k."),
    ] = None,
    kv: Annotated[
        str | None, typer.Option("--kv", metavar="TYPE", help="Type of the KV cache: f16, q8_0, or q4_0.")
    ] = None,
    parallel: Annotated[int, typer.Option(metavar="COUNT", help="Number of conversations at the same time.")] = 1,
    ubatch: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Micro-batch: prompt tokens computed at once.")
    ] = None,
    gpu_layers: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Layers to offload to the GPU, output layer included.")
    ] = None,
    cpu_experts: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Layers whose experts stay on the CPU.")
    ] = None,
    rpc: Rpc = None,
    margin: MarginSize = None,
    as_json: Json = False,
    *,
    machine: MachineOptions,
    output: Output,
) -> None:
    """Show how much memory a model needs on each device.

    Also shows the settings that `run` and `chat` would use, and the longest context that fits. For a model that is
    not on this machine, reads its header from the Hub, or uses the catalog if there is no network. For one that is,
    compares the plan with llama.cpp's own figures.
    """
    from g4run.cli.views.hardware import render_assumptions
    from g4run.cli.views.plan import plan_value, render_plan, render_source
    from g4run.cli.views.tables import line_width
    from g4run.models.library import Library
    from g4run.planner.placement import plan_with_drafter
    from g4run.planner.request_validation import check_request
    from g4run.runtime.plan_check import confirm_plan
    from g4run.runtime.planned_model import find_planned_model

    settings = with_margin(read_settings(), margin)
    library = Library(settings)
    request = make_request(PlanOptions(ctx, kv, parallel, ubatch, gpu_layers, cpu_experts))
    place = resolve_machine(machine, settings, parse_servers(rpc))  # first: usage errors do not wait for the network
    planned = find_planned_model(library, model, place, partial(open_hub, settings))
    output.notes.write(render_source(planned, line_width(output.notes)))
    check_request(request, planned.shape, place)
    found = plan_with_drafter(planned.shape, planned.drafter_bytes, place, request)
    advice = "" if found.ledger.can_load else find_advice(library, found, place, request)
    is_hypothetical = machine != MachineOptions()
    confirmation = confirm_plan(found, planned.path, place, settings, is_hypothetical=is_hypothetical)
    if as_json:
        value = plan_value(found, advice, confirmation, projector_bytes=planned.projector_bytes)
        output.write_json({**value, "assumptions": place.assumptions})
    else:
        width, projector_bytes = line_width(output.answer), planned.projector_bytes
        output.answer.write(render_plan(found, advice, confirmation, width, projector_bytes=projector_bytes))
        output.answer.write(render_assumptions(place, width))


def make_request(options: PlanOptions) -> "PlanRequest":
    """Check the typed options and build the request. Raises UsageError."""
    from g4run.engine.limits import MAX_COUNT
    from g4run.planner.values import PlanRequest

    return PlanRequest(
        context=check_within("--ctx", options.context, 1, MAX_COUNT, 8192),
        kv_type=parse_kv_type(options.kv_type),
        sequences=check_within("--parallel", options.sequences, 1, _MAX_SEQUENCES, 4) or 1,
        micro_batch=check_within("--ubatch", options.micro_batch, 1, MAX_COUNT, 512),
        gpu_layers=check_within("--gpu-layers", options.gpu_layers, 0, MAX_COUNT, 99),
        cpu_expert_layers=check_within("--cpu-experts", options.cpu_experts, 0, MAX_COUNT, 10),
    )


def find_advice(library: "Library", found: "Plan", machine: "Machine", request: "PlanRequest") -> str:
    """Say in one sentence what would fit: a shorter context, other settings, a smaller file, or nothing."""
    from msgspec.structs import replace

    from g4run.planner.placement import missing_bytes, plan_model
    from g4run.units import render_bytes, render_count

    fitting = {kv_type: longest for kv_type, longest in found.max_context.items() if longest}
    if request.kv_type is not None:
        fitting = {kv_type: longest for kv_type, longest in fitting.items() if kv_type is request.kv_type} or fitting
    for kv_type, longest in fitting.items():
        return f"It would fit with --ctx {longest} --kv {kv_type.value}."
    free = plan_model(found.shape, machine, replace(request, gpu_layers=None, cpu_expert_layers=None, context=None))
    if free.ledger.fits:
        return f"It would fit with a context of {render_count(free.settings.context)} and automatic layer placement."
    missing = f"It needs {render_bytes(missing_bytes(found.ledger))} more memory"
    smaller = _find_smaller(library, found, machine)
    return f"{missing}; {smaller} would fit." if smaller else f"{missing}, and no smaller file of this size fits."


def _find_smaller(library: "Library", found: "Plan", machine: "Machine") -> str | None:
    """Return the name of the largest catalog file of the same size that fits."""
    from g4run.planner.memory.catalog_weights import loaded_shape
    from g4run.planner.placement import fits
    from g4run.planner.recommend.quality import is_acceptable
    from g4run.planner.values import PlanRequest

    label = found.shape.architecture.size_label
    for facts in library.catalog.sizes:
        if facts.label == label:
            acceptable = (file for file in library.catalog.available(facts.size) if is_acceptable(file.quantization))
            files = sorted(acceptable, key=lambda file: -file.size_bytes)
            fitting = (file for file in files if fits(loaded_shape(file, facts), machine, PlanRequest()))
            return next((file.name for file in fitting), None)
    return None
