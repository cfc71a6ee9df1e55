"""A cache of llama.cpp's memory figures for loads: <data>/confirmations.json.

{"version": 1, "confirmations": {KEY: [DEVICE, …], …}}, the latest last. The figures depend only on the file's header,
the settings, and the library, not on free memory. An invalid file is ignored.
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
MAX_ENTRIES = 200  # of about 300 bytes


class _File(msgspec.Struct):
    version: int
    confirmations: dict[str, ProbedMemory]


def confirm_load(parameters: LoadParameters, machine: Machine, settings: Settings) -> ProbedMemory | ProbeFailure:
    """Return llama.cpp's own figures for a load, from the cache or from a new probe."""
    path = settings.data_directory / "confirmations.json"
    key = _key(parameters, machine)
    cached = _read(path).get(key)
    if cached is not None:
        return cached
    probed = probe(parameters)
    if isinstance(probed, ProbedMemory):
        _save(path, key, probed, settings)
    return probed


def _key(parameters: LoadParameters, machine: Machine) -> str:
    """Return a key from all that the figures depend on: file, model and context settings, devices, library."""
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


def _save(path: Path, key: str, probed: ProbedMemory, settings: Settings) -> None:
    """Save a probe; if it cannot be written, the next load probes again."""
    with contextlib.suppress(DiskFull, NotWritable), Store(settings).locked():
        entries = {**{other: found for other, found in _read(path).items() if other != key}, key: probed}
        latest = dict(list(entries.items())[-MAX_ENTRIES:])
        write_atomically(path, msgspec.json.encode(_File(VERSION, latest)) + b"\n")


def _read(path: Path) -> dict[str, ProbedMemory]:
    try:
        file = msgspec.json.decode(read_shared(path), type=_File)
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
    return file.confirmations if file.version == VERSION else {}
