"""The GPUs that llama.cpp's backends see, asked in a process of its own: a driver may crash, hang, or keep memory."""

from dataclasses import dataclass
from typing import Final

from g4run.engine.spawn import ProcessFailed, ask

TIMEOUT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One GPU as ggml lists it; `backend` is its registry's name, `kind` is gpu or igpu (ggml-backend.h).

    `pci_address` is in the kernel's notation (0000:01:00.0), or empty where the backend does not say.
    """

    name: str
    description: str
    backend: str
    kind: str
    total_bytes: int
    free_bytes: int
    pci_address: str = ""


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What the installed llama.cpp was built with and what it finds here; no backends where it could not be asked.

    `has_amx` is true if it uses AMX on this processor and does not crash with it.
    """

    backends: tuple[str, ...] = ()
    devices: tuple[DeviceReport, ...] = ()
    has_amx: bool = False


def inspect_engine(timeout_seconds: float = TIMEOUT_SECONDS) -> EngineReport:
    """Backends and devices; none where the other process crashes, hangs or has no library to load."""
    try:
        return ask("g4run.engine.probe.device_query", None, EngineReport, timeout_seconds)
    except ProcessFailed:
        return EngineReport()
