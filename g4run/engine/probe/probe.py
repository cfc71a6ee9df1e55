"""What llama.cpp itself says a model will take: a load that allocates nothing, in a process of its own.

The process makes the same model and context as the engine would (no_alloc), so an assertion in there, or a driver that
hangs, ends nothing here: it comes back as a ProbeFailure.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from g4run.engine.log import failure_reason
from g4run.engine.parameters import LoadParameters

TIMEOUT_SECONDS = 30.0  # a probe takes 0.5 s, and 1 to 2 where drivers start

_PACKAGE = Path(__file__).parents[2] / "__init__.py"
# As the worker is started (engine/client.py): this very package, and nothing from the current directory.
_RUN_DRY = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("g4run", sys.argv[1])
sys.modules["g4run"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["g4run"])
from g4run.engine.probe.dry_run import main
main()
"""


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

_FIGURES_VERSION = 1


class _Figures(msgspec.Struct, frozen=True):
    """Answers as they are kept in a file, by a key of the caller's."""

    version: int
    confirmations: dict[str, ProbedMemory]


def render_figures(figures: dict[str, ProbedMemory]) -> bytes:
    """Answers as JSON, to be kept."""
    return msgspec.json.encode(_Figures(_FIGURES_VERSION, figures)) + b"\n"


def parse_figures(content: bytes) -> dict[str, ProbedMemory]:
    """Answers that were kept; none where the content makes no sense or is of another version."""
    try:
        found = msgspec.json.decode(content, type=_Figures)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found.confirmations if found.version == _FIGURES_VERSION else {}


_REQUEST = msgspec.json.Encoder()
_ANSWER = msgspec.json.Decoder(tuple[ProbedMemory | ProbeFailure, ...])


def probe_each(runs: Sequence[LoadParameters], timeout_seconds: float = TIMEOUT_SECONDS) -> tuple[Probed, ...]:
    """Ask llama.cpp what loads would take, all in one process.

    Those that differ in the context alone share one load of the model.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _RUN_DRY, str(_PACKAGE)],
            input=_REQUEST.encode(tuple(runs)),
            capture_output=True,
            timeout=timeout_seconds,
            env=os.environ | {"GGML_NO_BACKTRACE": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return (ProbeFailure(f"llama.cpp did not answer within {timeout_seconds:g} s", timed_out=True),) * len(runs)
    except OSError as error:
        return (ProbeFailure(f"the process could not be started: {error.strerror}"),) * len(runs)
    return _read_answer(done, len(runs))


def _read_answer(done: "subprocess.CompletedProcess[bytes]", count: int) -> tuple[Probed, ...]:
    """The answer of a process that came to its end; else how it ended, for every load."""
    if done.returncode == 0:
        try:
            return _ANSWER.decode(done.stdout)
        except msgspec.DecodeError:
            return (ProbeFailure("the probe's answer cannot be read"),) * count
    log = done.stderr.decode("utf-8", "replace")
    reason = failure_reason(log) or f"it ended with code {done.returncode}"
    return (ProbeFailure(f"llama.cpp ended while it was asked: {reason}"),) * count
