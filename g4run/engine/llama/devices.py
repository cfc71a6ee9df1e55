"""The GPUs that llama.cpp's backends see, queried in a child process: a driver may crash, hang, or keep memory."""

from collections.abc import Sequence
from typing import Final

import msgspec

from g4run.engine.spawn import ProcessFailed, ask

TIMEOUT_SECONDS: Final = 5.0


class DeviceReport(msgspec.Struct, frozen=True):
    """One GPU as ggml lists it; `backend` is its registry's name, `kind` is gpu or igpu (ggml-backend.h).

    `pci_address` is in the kernel's notation (0000:01:00.0); empty if the backend does not report it.
    """

    name: str
    description: str
    backend: str
    kind: str
    total_bytes: int
    free_bytes: int
    pci_address: str = ""


class EngineReport(msgspec.Struct, frozen=True):
    """The installed llama.cpp's backends and the devices that it finds; empty if the query failed.

    `has_amx` is true if it uses AMX on this processor without crashing.
    """

    backends: tuple[str, ...] = ()
    devices: tuple[DeviceReport, ...] = ()
    has_amx: bool = False


def inspect_engine(timeout_seconds: float = TIMEOUT_SECONDS, rpc_servers: Sequence[str] = ()) -> EngineReport:
    """Query backends and devices; empty if the child process crashes, hangs or cannot load the library.

    The devices of the `rpc_servers` that answer count as this machine's; their description is the server's address.
    """
    try:
        return ask("g4run.engine.probe.device_query", None, EngineReport, timeout_seconds, rpc_servers)
    except ProcessFailed:
        return EngineReport()
