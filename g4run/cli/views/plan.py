"""Render a plan as text and as JSON: the memory breakdown per device, and the settings."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from g4run.cli.views.json_values import json_value
from g4run.cli.views.tables import Column, render_pairs, render_paragraph, render_table
from g4run.planner.memory.engine_caches import CacheBounds, bound_caches, token_table_bytes
from g4run.planner.placement import missing_bytes
from g4run.planner.values import DeviceLedger, Placement, Plan, PlanSettings
from g4run.units import render_bytes, render_count

if TYPE_CHECKING:
    from g4run.runtime.plan_check import Confirmation
    from g4run.runtime.planned_model import PlannedModel

_ITEMS: Final[tuple[tuple[str, Callable[[DeviceLedger], int]], ...]] = (
    ("weights", lambda device: device.weights_bytes),
    ("KV cache", lambda device: device.kv_bytes),
    ("compute", lambda device: device.compute_bytes),
    ("output", lambda device: device.output_bytes),
    ("projector", lambda device: device.projector_bytes),
    ("drafter", lambda device: device.drafter_bytes),
    ("overhead", lambda device: device.overhead_bytes),
    ("total", lambda device: device.total_bytes),
    ("free now", lambda device: device.free_bytes),
    ("left", lambda device: device.left_bytes),
    ("margin", lambda device: device.margin_bytes),
)
_ALWAYS_SHOWN: Final = frozenset({"weights", "KV cache", "compute", "total", "free now", "left", "margin"})


def plan_value(plan: Plan, advice: str, confirmation: "Confirmation", *, projector_bytes: int = 0) -> dict[str, object]:
    """Return a plan as JSON; `advice` says what would fit if the plan does not.

    `projector_bytes` is the size of the model's projector, which is not loaded.
    """
    reason = confirmation.not_asked or confirmation.problem
    return {
        "model": plan.shape.name,
        "is_exact": plan.shape.is_exact,
        "placement": plan.placement.value,
        "devices": [_device_value(device) for device in plan.ledger.devices],
        "total_bytes": plan.ledger.total_bytes,
        "fits": plan.ledger.fits,
        "can_load": plan.ledger.can_load,
        "missing_bytes": missing_bytes(plan.ledger),
        "unloaded_projector_bytes": projector_bytes,
        "context": plan.settings.context,
        "max_context": {kv_type.value: longest for kv_type, longest in plan.max_context.items()},
        "settings": settings_value(plan),
        "advice": advice or None,
        "confirmed": None if reason else {"by": "llama.cpp", "difference_bytes": confirmation.difference_bytes},
        "not_confirmed_because": reason or None,
    }


def render_source(planned: "PlannedModel", width: int | None) -> str:
    """Name the file chosen for a size, and say if its header could not be read."""
    from g4run.models.names.types import FamilyName
    from g4run.runtime.choose_file import render_choice

    choice, text = planned.choice, ""
    if choice is not None:
        text = render_paragraph(render_choice(FamilyName(choice.file.size).text, choice), width)
    if planned.unread_because:
        text += f"{planned.unread_because}; the plan uses the catalog and may be a few percent off\n"
    return text


def settings_value(plan: Plan) -> dict[str, object]:
    """Return a plan's settings and the limits of the engine's caches as JSON."""
    caches = json_value(bound_caches(plan.ledger))
    return {**json_value(plan.settings), **caches, "token_table_bytes": token_table_bytes(plan.shape.architecture)}


def _device_value(device: DeviceLedger) -> dict[str, object]:
    """Return a device's memory as JSON, with the total before the free memory."""
    last = ("free_bytes", "margin_bytes", "gpu")
    value = {name: item for name, item in json_value(device).items() if name not in last}
    sums = {"total_bytes": device.total_bytes, "free_bytes": device.free_bytes, "margin_bytes": device.margin_bytes}
    return {**value, **sums}


def render_plan(
    plan: Plan, advice: str, confirmation: "Confirmation", width: int | None, *, projector_bytes: int = 0
) -> str:
    """Render the model, memory breakdown, settings, longest contexts, and verdict."""
    verdict = _render_verdict(plan, advice) + _render_confirmation(confirmation, width)
    settings = _render_settings(plan, projector_bytes)
    return "\n".join((_render_head(plan), _render_ledger(plan, width), settings, verdict))


def _render_head(plan: Plan) -> str:
    shape = plan.shape
    source = "from its header" if shape.is_exact else "estimated from the catalog"
    label = shape.architecture.size_label
    size = "(custom size)" if label == "other" else label
    return f"{shape.name}: Gemma 4 {size}, {render_bytes(shape.file_bytes)}, {source}\n"


def _render_ledger(plan: Plan, width: int | None) -> str:
    devices = plan.ledger.devices
    columns = [Column(""), *(Column(device.name, is_number=True, shrinks=True) for device in devices)]
    rows = [
        [title, *map(_signed_bytes, sizes)]
        for title, size_of in _ITEMS
        for sizes in [[size_of(device) for device in devices]]
        if title in _ALWAYS_SHOWN or any(sizes)
    ]
    return render_table(columns, rows, width)


def _signed_bytes(size_bytes: int) -> str:
    return "-" + render_bytes(-size_bytes) if size_bytes < 0 else render_bytes(size_bytes)


def _render_settings(plan: Plan, projector_bytes: int) -> str:
    settings = plan.settings
    longest = ", ".join(
        f"{kv_type.value} {render_count(tokens) if tokens else 'none'}" for kv_type, tokens in plan.max_context.items()
    )
    return render_pairs(
        [
            ("layers", _layers_text(plan)),
            ("context", f"{render_count(settings.context)} tokens, KV cache in {settings.kv_type.value}"),
            ("sequences", f"{settings.sequences}, micro-batch {render_count(settings.micro_batch)} tokens"),
            ("threads", str(settings.threads)),
            *_cpu_settings(settings),
            ("caches", _caches_text(bound_caches(plan.ledger))),
            ("token table", _token_table_text(plan)),
            *_unloaded(projector_bytes),
            ("longest context", longest),
        ],
        indent="",
    )


def _layers_text(plan: Plan) -> str:
    settings, every = plan.settings, plan.shape.architecture.layers + 1
    match plan.placement:
        case Placement.CPU:
            return "all on the CPU"
        case Placement.GPU:
            return f"all {every} on the GPU, output layer included"
        case Placement.EXPERTS_ON_CPU:
            return f"all {every} on the GPU, experts of the first {settings.cpu_expert_layers} on the CPU"
        case Placement.PARTIAL:
            return f"the last {settings.gpu_layers} of {every} on the GPU, the rest on the CPU"


def _unloaded(projector_bytes: int) -> list[tuple[str, str]]:
    return [("projector", f"{render_bytes(projector_bytes)}, not loaded by run and chat")] if projector_bytes else []


def _caches_text(bounds: CacheBounds) -> str:
    """Describe the caches that grow during use, which no total includes."""
    if not bounds.checkpoint_bytes:
        return "none: no main memory is left"
    host_cache = render_bytes(bounds.ram_cache_bytes)
    return f"up to {render_bytes(bounds.checkpoint_bytes)} of SWA checkpoints and {host_cache} of host cache"


def _token_table_text(plan: Plan) -> str:
    return f"{render_bytes(token_table_bytes(plan.shape.architecture))}, from the first constrained answer on"


def _cpu_settings(settings: PlanSettings) -> list[tuple[str, str]]:
    lazy = [("embeddings", "per-layer table, read from the file row by row")] if settings.lazy_table else []
    repacked = [("repacking", "CPU weights are copied into a faster layout")] if settings.repack else []
    return [*lazy, *repacked]


def _render_verdict(plan: Plan, advice: str) -> str:
    total = render_bytes(plan.ledger.total_bytes)
    if plan.ledger.can_load:
        missing = missing_bytes(plan.ledger)
        but = f", with {render_bytes(missing)} less than the margin to spare" if missing else ""
        return f"It fits{but}: {total} in total.\n"
    return f"It does not fit: {total} in total. {advice}".rstrip() + "\n"


def _render_confirmation(confirmation: "Confirmation", width: int | None) -> str:
    """Compare the plan with llama.cpp's figures in one sentence; empty if llama.cpp was not asked."""
    if confirmation.not_asked:
        return ""
    sentence = f"llama.cpp's own figures: {_comparison(confirmation)}."
    if confirmation.problem:
        sentence = f"could not get llama.cpp's own figures: {confirmation.problem}"
    return render_paragraph(sentence, width)


def _comparison(confirmation: "Confirmation") -> str:
    if not confirmation.differences:
        return "identical to the byte"
    if confirmation.difference_bytes <= confirmation.rounding_bytes:
        return "identical within its rounding"
    return ", ".join(
        f"{render_bytes(abs(each.more_bytes))} {'more' if each.more_bytes > 0 else 'less'} on {each.device}"
        for each in confirmation.differences
    )
