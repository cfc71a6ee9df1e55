"""What llama.cpp itself says a model will take: a load that allocates nothing, in a process of its own.

The process makes the same model and context as the engine would (no_alloc), so an assertion in there, or a driver that
hangs, ends nothing here: it comes back as a ProbeFailure.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from g4run.engine.parameters import LoadParameters
from g4run.engine.spawn import ProcessFailed, ask

TIMEOUT_SECONDS = 30.0  # a probe takes 0.5 s, and 1 to 2 where drivers start


class DeviceMemory(msgspec.Struct, frozen=True):
    """What one buffer type of ggml (CPU, CPU_REPACK, CUDA0, CUDA_Host, …) would hold, in bytes.

    `weights_bytes` and `kv_bytes` are None where the library's own sum cannot be asked; then `ProbedMemory.kv_bytes`
    has the cache of all devices together.
    """

    name: str
    weights_bytes: int | None
    kv_bytes: int | None
    compute_bytes: int
    output_bytes: int


class ProbedMemory(msgspec.Struct, frozen=True, tag="memory"):
    """llama.cpp's figures. Read from its log, where `is_exact` is false, they are rounded to 10,486 bytes."""

    devices: tuple[DeviceMemory, ...]
    kv_bytes: int
    is_exact: bool

    def find(self, name: str) -> DeviceMemory | None:
        """What a buffer type would hold."""
        return next((device for device in self.devices if device.name == name), None)


class ProbeFailure(msgspec.Struct, frozen=True, tag="failure"):
    """Why there are no figures; `timed_out` where llama.cpp did not come to an end."""

    reason: str
    timed_out: bool = False


Probed: TypeAlias = ProbedMemory | ProbeFailure


def probe_each(runs: Sequence[LoadParameters], timeout_seconds: float = TIMEOUT_SECONDS) -> tuple[Probed, ...]:
    """Ask llama.cpp what loads would take, all in one process.

    Those that differ in the context alone share one load of the model.
    """
    try:
        return ask("g4run.engine.probe.dry_run", tuple(runs), tuple[ProbedMemory | ProbeFailure, ...], timeout_seconds)
    except ProcessFailed as failed:
        return (ProbeFailure(failed.reason, failed.timed_out),) * len(runs)
