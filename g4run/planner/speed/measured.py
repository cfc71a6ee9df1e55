"""Speeds measured on this machine, and the keys that match them to plans."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from g4run.hardware.figures import Count
from g4run.hardware.machine import Machine
from g4run.models.store.records import Record
from g4run.planner.values import ModelShape, Plan, PlanSettings

_Figure: TypeAlias = Annotated[float, Meta(ge=0, le=1e15)]


class MeasuredSpeed(msgspec.Struct, frozen=True):
    """The average speed of one machine with one model and settings; a speed of 0 was not measured.

    `position` is the mean position of the generated tokens.
    """

    machine_id: str
    model_digest: str
    settings_key: str
    generation_tokens_per_second: _Figure
    prompt_tokens_per_second: _Figure
    measured_at: _Figure  # seconds since 1970
    position: Count = 0


def machine_id_of(machine: Machine) -> str:
    """Return an ID for a machine, which changes with its processors, memory sizes, and GPUs."""
    processors = machine.processors
    parts = [machine.platform.system, machine.platform.architecture, processors.model, str(processors.threads)]
    parts.append(f"{machine.memory.total_bytes / 2**30:.0f}")  # in GiB, because the firmware's part varies
    parts.extend(sorted(f"{gpu.name} {gpu.total_bytes / 2**30:.0f} {gpu.backend}" for gpu in machine.gpus))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def model_digest_of(shape: ModelShape) -> str:
    """Return the file's digest; if unknown, its name and size."""
    return shape.digest or f"{shape.name} {shape.file_bytes}"


def known_digests(records: Iterable[Record]) -> dict[tuple[str, str], str]:
    """Return the digests of stored models (first part), by repository and path on the Hub, both in lower case."""
    return {
        (place[0].lower(), place[1].lower()): record.digest
        for record in records
        if (place := record.model_files[0].hub_place) is not None and record.digest is not None
    }


def settings_key_of(settings: PlanSettings) -> str:
    """Return the settings that speed depends on as one string; unused context does not count."""
    parts = (
        f"gpu_layers={settings.gpu_layers}",
        f"cpu_expert_layers={settings.cpu_expert_layers}",
        f"kv={settings.kv_type}",
        f"micro_batch={settings.micro_batch}",
        f"threads={settings.threads}",
        f"repack={settings.repack:d}",
    )
    return " ".join(parts)


def find_measured(plan: Plan, machine: Machine, measured: Sequence[MeasuredSpeed]) -> MeasuredSpeed | None:
    """Return the latest usable measurement of a plan, or None."""
    if not measured:
        return None
    wanted = (machine_id_of(machine), model_digest_of(plan.shape), settings_key_of(plan.settings))
    found = [
        speed
        for speed in measured
        if (speed.machine_id, speed.model_digest, speed.settings_key) == wanted
        and math.isfinite(speed.generation_tokens_per_second)
        and speed.generation_tokens_per_second > 0
    ]
    return max(found, key=lambda speed: speed.measured_at, default=None)
