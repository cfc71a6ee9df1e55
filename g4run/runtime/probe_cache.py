"""What llama.cpp said that loads would take, kept, so that it need not be asked again: <data>/confirmations.json.

{"version": 1, "confirmations": {KEY: [DEVICE, …], …}}, the latest last. The figures follow from the file's header, the
settings and the library alone, not from what is free. A file that makes no sense counts as not there.
"""

import contextlib
import hashlib
from dataclasses import replace
from pathlib import Path

import msgspec

from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.probe import ProbedMemory, ProbeFailure, probe
from g4run.errors import DiskFull, NotWritable
from g4run.files import read_shared, write_atomically
from g4run.hardware.machine import Machine
from g4run.hardware.system import engine_version
from g4run.models.store.store import Store
from g4run.settings import Settings

VERSION = 1
MOST_ENTRIES = 200  # of about 300 bytes


class _File(msgspec.Struct):
    version: int
    confirmations: dict[str, ProbedMemory]


def confirm_load(parameters: LoadParameters, machine: Machine, settings: Settings) -> ProbedMemory | ProbeFailure:
    """llama.cpp's own figures for a load: those kept, or asked for now and kept."""
    path = settings.data_directory / "confirmations.json"
    key = _key(parameters, machine)
    kept = _read(path).get(key)
    if kept is not None:
        return kept
    probed = probe(parameters)
    if isinstance(probed, ProbedMemory):
        _keep(path, key, probed, settings)
    return probed


def _key(parameters: LoadParameters, machine: Machine) -> str:
    """The same for loads that take the same: the file, the settings of model and context, the devices, the library."""
    file = Path(parameters.model_path.decode("utf-8", "surrogateescape"))
    state = file.stat()
    alike = replace(parameters, threads=0, checkpoint_bytes=0, ram_cache_bytes=0, queue_length=0, drafter_path=None)
    parts = (
        repr(alike),
        f"{state.st_size} {state.st_mtime_ns}",
        *(f"{gpu.name} {gpu.backend}" for gpu in machine.gpus),
        engine_version(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _keep(path: Path, key: str, probed: ProbedMemory, settings: Settings) -> None:
    """What cannot be written is asked for again the next time."""
    with contextlib.suppress(DiskFull, NotWritable), Store(settings).locked():
        kept = {**{other: found for other, found in _read(path).items() if other != key}, key: probed}
        latest = dict(list(kept.items())[-MOST_ENTRIES:])
        write_atomically(path, msgspec.json.encode(_File(VERSION, latest)) + b"\n")


def _read(path: Path) -> dict[str, ProbedMemory]:
    try:
        file = msgspec.json.decode(read_shared(path), type=_File)
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
    return file.confirmations if file.version == VERSION else {}
