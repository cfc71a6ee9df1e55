"""Whether GPUs cut logits faster than the host searches them, measured once and remembered.

<data>/device-sampling.json: {"version": 1, "verdicts": [{"machine_id": …, "library": …, …}, …]}, the latest last. A
file or an entry that makes no sense counts as not there; a file of a newer g4run is left alone.

While an engine measures, <data>/device-sampling-KEY.measuring is there. Where a driver ends that engine, or hangs, the
mark stays, and this machine with this llama.cpp neither measures nor cuts again until the mark is deleted.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from g4run.engine.client import Engine
from g4run.engine.parameters import DeviceSampling
from g4run.errors import DiskFull, NotWritable
from g4run.files import write_atomically
from g4run.models.store.store import Store
from g4run.planner.speed.measured import machine_id_of, model_digest_of, settings_key_of
from g4run.runtime.loading import LoadPlan
from g4run.runtime.measurement_file import library_version, read_entries
from g4run.settings import Settings

VERSION = 1
MOST_VERDICTS = 200
_LONGEST_SECONDS = 10.0  # measuring takes about one; what takes ten hangs


@dataclass(frozen=True, slots=True)
class Case:
    """What a verdict holds for: the machine with its GPUs and their backends, llama.cpp, the model, its settings."""

    machine_id: str
    library: str
    model_digest: str
    settings_key: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the cut was faster."""

    case: Case
    is_faster: bool


def with_device_sampling(planned: LoadPlan, settings: Settings) -> LoadPlan:
    """The same load with the GPU's cut as it did here, or to be measured; without it where no GPU is used."""
    if planned.plan.settings.gpu_layers == 0:
        return planned
    case = _case_of(planned)
    mark = _mark(case, settings)
    chosen = DeviceSampling.OFF if _is_there(mark) else _known(case, settings)
    parameters = replace(planned.parameters, device_sampling=chosen, measuring_mark=os.fsencode(mark))
    return replace(planned, parameters=parameters)


def load_measured(
    engine: Engine, on_progress: Callable[[float], None] | None, planned: LoadPlan, settings: Settings
) -> None:
    """Load what was planned, and remember what was measured at it; raises as Engine.load does."""
    case = _case_of(planned)
    if planned.parameters.device_sampling is DeviceSampling.MEASURE:
        with contextlib.suppress(OSError):  # then the engine cannot leave its mark, and does not measure
            settings.data_directory.mkdir(parents=True, exist_ok=True)
    try:
        loaded = engine.load(on_progress, planned.parameters)
    except KeyboardInterrupt:
        _forgive(_mark(case, settings))
        raise
    if loaded.has_measured:
        _keep(Verdict(case, loaded.device_sampling), settings)


def _known(case: Case, settings: Settings) -> DeviceSampling:
    for verdict in _read(_path(settings)) or ():
        if verdict.case == case:
            return DeviceSampling.ON if verdict.is_faster else DeviceSampling.OFF
    return DeviceSampling.MEASURE


def _case_of(planned: LoadPlan) -> Case:
    return Case(
        machine_id=machine_id_of(planned.machine),
        library=library_version(),
        model_digest=model_digest_of(planned.plan.shape),
        settings_key=settings_key_of(planned.plan.settings),
    )


def _path(settings: Settings) -> Path:
    return settings.data_directory / "device-sampling.json"


def _mark(case: Case, settings: Settings) -> Path:
    """The same for all models: what a driver cannot do for one it cannot do for another."""
    key = hashlib.sha256(f"{case.machine_id}\n{case.library}".encode()).hexdigest()[:16]
    return settings.data_directory / f"device-sampling-{key}.measuring"


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # where it cannot be looked for, an engine cannot leave it, and does not measure
        return False


def _forgive(mark: Path) -> None:
    """Take away the mark of an engine that was ended by a person, unless they had waited for it too long."""
    with contextlib.suppress(OSError):
        if time.time() - mark.stat().st_mtime < _LONGEST_SECONDS:
            mark.unlink()


def _keep(verdict: Verdict, settings: Settings) -> None:
    """What cannot be written is measured again the next time."""
    path = _path(settings)
    with contextlib.suppress(DiskFull, NotWritable), Store(settings).locked():
        known = _read(path)
        if known is not None:
            others = [other for other in known if other.case != verdict.case]
            write_atomically(path, _render((*others, verdict)[-MOST_VERDICTS:]))


def _render(verdicts: tuple[Verdict, ...]) -> bytes:
    entries = [{**asdict(verdict.case), "is_faster": verdict.is_faster} for verdict in verdicts]
    return json.dumps({"version": VERSION, "verdicts": entries}, indent=1).encode("ascii") + b"\n"


def _read(path: Path) -> tuple[Verdict, ...] | None:
    """What a file holds that makes sense; None for a file of a newer g4run."""
    entries = read_entries(path, "verdicts", VERSION, MOST_VERDICTS)
    if entries is None:
        return None
    found = (_parse(entry) for entry in entries)
    return tuple(verdict for verdict in found if verdict is not None)


def _parse(entry: object) -> Verdict | None:
    if not isinstance(entry, dict):
        return None
    texts = [entry.get(field.name) for field in fields(Case)]
    is_faster = entry.get("is_faster")
    if not isinstance(is_faster, bool) or not all(isinstance(text, str) for text in texts):
        return None
    return Verdict(Case(*(str(text) for text in texts)), is_faster)
