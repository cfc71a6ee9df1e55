"""The choice made for every machine, as one readable table."""

from pathlib import Path

from g4run.hardware.machine import Machine
from g4run.models.catalog.catalog import read_catalog
from g4run.planner.recommend.candidates import Candidate
from g4run.planner.recommend.goals import Goal, Preference, RecommendRequest
from g4run.planner.recommend.recommend import recommend
from g4run.planner.values import DeviceLedger
from tests.planner.known_machines import known_machines

NOWHERE = Path("no-such-directory")  # holds no refreshed catalog
CATALOG = read_catalog(NOWHERE)
REQUESTS = (
    ("chat", RecommendRequest()),
    ("chat, quality", RecommendRequest(preference=Preference.QUALITY)),
    ("chat, speed", RecommendRequest(preference=Preference.SPEED)),
    ("code", RecommendRequest(Goal.CODE)),
    ("vision", RecommendRequest(Goal.VISION)),
    ("audio", RecommendRequest(Goal.AUDIO)),
    ("long-context", RecommendRequest(Goal.LONG_CONTEXT)),
)
HEADING = """\
The choice for {count} machines, with the catalog that comes with the program and estimated speeds.
Columns: what for; model; placement; context, cache; expected tokens/s (from-to); used + margin of free memory in GB, by
device. A file with a ? has an inferred name.
scripts/golden_recommendations.py writes this file.
"""


def render_golden() -> str:
    """Render the whole table, which takes a minute."""
    listed = tuple(known_machines())
    parts = [HEADING.format(count=len(listed))]
    for name, machine in listed:
        lines = [f"{render_line(label, machine, request)}\n" for label, request in REQUESTS]
        parts.append(f"{name}\n{''.join(lines)}")
    return "\n".join(parts)


def render_line(label: str, machine: Machine, request: RecommendRequest) -> str:
    """Render the choice for one machine and one request."""
    return f"  {label:<14} {render_choice(recommend(CATALOG, machine, request).best)}"


def render_choice(best: Candidate | None) -> str:
    """Render one choice on one line."""
    if best is None:
        return "nothing fits"
    settings, speed = best.plan.settings, best.speed.generation
    devices = ", ".join(_render_device(device) for device in best.plan.ledger.devices)
    return (
        f"{_render_name(best):<24} {best.plan.placement.value:<14} {settings.context // 1024:>3}K {settings.kv_type}"
        f"  {speed.expected:6.1f} ({speed.low:.1f}-{speed.high:.1f})  {devices}"
    )


def _render_name(best: Candidate) -> str:
    """Return the size and the quantization, which fit on the line where a repository's name would not."""
    kind = " QAT" if best.file.is_qat else ""
    size = best.plan.shape.architecture.size_label
    return f"{size} {best.file.quantization}{kind}{'' if best.file.path_is_confirmed else ' ?'}"


def _render_device(device: DeviceLedger) -> str:
    used, margin, free = (size / 1e9 for size in (device.total_bytes, device.margin_bytes, device.free_bytes))
    return f"{device.kind} {used:.2f}+{margin:.2f} of {free:.2f}"
