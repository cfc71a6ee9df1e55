"""Speeds measured in real runs on this machine, used in place of estimates: <data>/speeds.json.

{"version": 1, "speeds": [{"machine_id": …, "model_digest": …, "settings_key": …, …}, …]}, the latest last. An
invalid file or entry is ignored; the file of a newer g4run is left alone.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from g4run.errors import DiskFull, NotWritable
from g4run.files import read_shared, write_atomically
from g4run.hardware.machine import Machine
from g4run.models.store.store import Store
from g4run.planner.speed.measured import MeasuredSpeed, machine_id_of, model_digest_of, settings_key_of
from g4run.planner.values import Plan
from g4run.settings import Settings

if TYPE_CHECKING:
    from g4run.runtime.answers.answer import Timings, Usage  # with all of chat, which `recommend` need not load

__all__ = ["MeasuredSpeed", "measured_speeds", "record_run"]

VERSION = 1
MAX_SPEEDS = 500
MIN_TOKENS = 16  # fewer cannot be timed well
MIN_PROMPT_TOKENS = 128  # a shorter prompt does not fill a batch, and its speed says little about longer ones
# Weight of the latest run in the exponential average: other programs slow runs down, and nothing speeds them up.
FASTER_WEIGHT, SLOWER_WEIGHT = 0.7, 0.2


class _File(msgspec.Struct):
    version: int
    speeds: list[object] = []


def measured_speeds(settings: Settings, machine: Machine) -> tuple[MeasuredSpeed, ...]:
    """Return the speeds measured on this machine."""
    machine_id = machine_id_of(machine)
    return tuple(speed for speed in _read(_path(settings)) or () if speed.machine_id == machine_id)


def record_run(
    settings: Settings, machine: Machine, plan: Plan, usage: "Usage", timings: "Timings", now: float
) -> None:
    """Add a run to the average of its plan; `now` is in seconds since 1970. Write errors are ignored."""
    run = _speed_of_run(machine, plan, usage, timings, now)
    if not run.generation_tokens_per_second and not run.prompt_tokens_per_second:
        return
    path = _path(settings)
    with contextlib.suppress(DiskFull, NotWritable), Store(settings).locked():
        known = _read(path)
        if known is not None:
            content = msgspec.json.encode({"version": VERSION, "speeds": _with_run(known, run)})
            write_atomically(path, msgspec.json.format(content, indent=1) + b"\n")


def _path(settings: Settings) -> Path:
    return settings.data_directory / "speeds.json"


def _speed_of_run(machine: Machine, plan: Plan, usage: "Usage", timings: "Timings", now: float) -> MeasuredSpeed:
    """Return one run; a speed is 0 if the run was too short for it."""
    generation = timings.generation_tokens_per_second if usage.completion_tokens >= MIN_TOKENS else 0.0
    computed = usage.evaluated_tokens
    is_typical = computed >= MIN_PROMPT_TOKENS and computed > usage.cached_tokens  # deep in a context it is slower
    prompt = timings.prompt_tokens_per_second if is_typical else 0.0
    return MeasuredSpeed(
        machine_id=machine_id_of(machine),
        model_digest=model_digest_of(plan.shape),
        settings_key=settings_key_of(plan.settings),
        generation_tokens_per_second=generation,
        prompt_tokens_per_second=prompt,
        measured_at=now,
        position=usage.prompt_tokens + usage.completion_tokens // 2 if generation else 0,
    )


def _with_run(known: Sequence[MeasuredSpeed], run: MeasuredSpeed) -> tuple[MeasuredSpeed, ...]:
    before = next((speed for speed in known if _key(speed) == _key(run)), None)
    others = [speed for speed in known if _key(speed) != _key(run)]
    latest = run if before is None else _averaged(before, run)
    return tuple(sorted((*others, latest), key=lambda speed: speed.measured_at)[-MAX_SPEEDS:])


def _key(speed: MeasuredSpeed) -> tuple[str, str, str]:
    return speed.machine_id, speed.model_digest, speed.settings_key


def _averaged(before: MeasuredSpeed, run: MeasuredSpeed) -> MeasuredSpeed:
    """Average the generation speed with its position, and the prompt speed, if the run has them."""
    generation, latest = before.generation_tokens_per_second, run.generation_tokens_per_second
    weight = _weight(generation, latest)
    return replace(
        run,
        generation_tokens_per_second=_average(generation, latest, weight),
        prompt_tokens_per_second=_average(
            before.prompt_tokens_per_second,
            run.prompt_tokens_per_second,
            _weight(before.prompt_tokens_per_second, run.prompt_tokens_per_second),
        ),
        position=round(_average(before.position, run.position, weight)) if latest else before.position,
    )


def _weight(before: float, latest: float) -> float:
    return FASTER_WEIGHT if latest > before else SLOWER_WEIGHT


def _average(before: float, latest: float, weight: float) -> float:
    if not before or not latest:
        return before or latest
    return before + weight * (latest - before)


def _read(path: Path) -> tuple[MeasuredSpeed, ...] | None:
    """Return the valid entries of a file; None for the file of a newer g4run."""
    try:
        file = msgspec.convert(json.loads(read_shared(path)), _File)  # msgspec's own decoder refuses a file with NaN
    except (OSError, ValueError, RecursionError):
        return ()
    if file.version > VERSION:
        return None
    return tuple(_parse_each(file.speeds[-MAX_SPEEDS:]))


def _parse_each(entries: Sequence[object]) -> Iterator[MeasuredSpeed]:
    for entry in entries:
        with contextlib.suppress(msgspec.ValidationError):
            yield msgspec.convert(entry, MeasuredSpeed)
