"""What llama.cpp itself says a model will take: a load that allocates nothing, in a process of its own.

The process creates the same model and context as the engine would, with no_alloc. A failed assertion or a driver that
hangs comes back as a ProbeFailure.
"""

from typing import TypeAlias

import msgspec

from g4run.engine.parameters import LoadParameters
from g4run.engine.spawn import ProcessFailed, ask

TIMEOUT_SECONDS = 30.0  # a probe takes 0.5 s, and 1 to 2 where drivers start


class DeviceMemory(msgspec.Struct, frozen=True):
    """What one buffer type of ggml (CPU, CPU_REPACK, CUDA0, CUDA_Host, …) would hold, in bytes.

    `weights_bytes` and `kv_bytes` are None if the library's own sum cannot be asked; then `ProbedMemory.kv_bytes`
    has the cache of all devices together.
    """

    name: str
    weights_bytes: int | None
    kv_bytes: int | None
    compute_bytes: int
    output_bytes: int


class ProbedMemory(msgspec.Struct, frozen=True, tag="memory"):
    """llama.cpp's figures; if `is_exact` is false, they come from its log, rounded to 10,486 bytes."""

    devices: tuple[DeviceMemory, ...]
    kv_bytes: int
    is_exact: bool


class ProbeFailure(msgspec.Struct, frozen=True, tag="failure"):
    """Why there are no figures; `timed_out` if llama.cpp did not finish."""

    reason: str
    timed_out: bool = False


Probed: TypeAlias = ProbedMemory | ProbeFailure


def probe(parameters: LoadParameters, timeout_seconds: float = TIMEOUT_SECONDS) -> Probed:
    """Ask llama.cpp what a load would take."""
    try:
        (found,) = ask("g4run.engine.probe.dry_run", parameters, tuple[Probed], timeout_seconds)
        return found
    except ProcessFailed as failed:
        return ProbeFailure(failed.reason, failed.timed_out)
