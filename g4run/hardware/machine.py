"""A machine as one value, found by the detectors or read from a file."""

from enum import StrEnum

import msgspec

from g4run.hardware.figures import Count, Rate
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.settings import Margin


class GpuKind(StrEnum):
    """Whether a GPU has its own memory."""

    DISCRETE = "discrete"
    INTEGRATED = "integrated"  # uses part of main memory
    UNIFIED = "unified"  # shares all of main memory, up to a limit


class FigureSource(StrEnum):
    """The source of a figure."""

    MEASURED = "measured"  # on this machine
    NOMINAL = "nominal"  # from the table of GPUs, not checked against data sheets
    ASSUMED = "assumed"


class Bandwidth(msgspec.Struct, frozen=True, omit_defaults=True):
    """How fast memory is read; `was_busy` if other programs used the processors while it was measured."""

    bytes_per_second: Rate
    source: FigureSource
    was_busy: bool = False


class GpuProcess(msgspec.Struct, frozen=True):
    """Another program that uses memory of a GPU, or main memory."""

    pid: Count
    name: str
    used_bytes: Count


class Gpu(msgspec.Struct, frozen=True):
    """A GPU. `backend` is ggml's name (CUDA, ROCm, Metal, Vulkan, SYCL, RPC), None if the build cannot use it.

    The name of an RPC server's device is the server's address.
    """

    name: str
    kind: GpuKind
    backend: str | None
    total_bytes: Count
    free_bytes: Count
    bandwidth: Bandwidth | None
    half_precision_flops: Rate | None  # per second, dense, from a table
    processes: tuple[GpuProcess, ...] = ()


class Disk(msgspec.Struct, frozen=True):
    """A file system that contains models, or could."""

    path: str
    total_bytes: Count
    free_bytes: Count


class Build(msgspec.Struct, frozen=True):
    """The backends of the installed llama.cpp; `advice` and `command` if it cannot use a GPU of this machine."""

    backends: tuple[str, ...]
    advice: str = ""
    command: str = ""


class Platform(msgspec.Struct, frozen=True):
    """The operating system and architecture."""

    system: str  # Linux, macOS, Windows
    architecture: str  # x86_64, arm64, …
    is_wsl: bool = False
    is_container: bool = False


class Machine(msgspec.Struct, frozen=True):
    """Everything that the planner needs to know of a machine; `assumptions` describe one that was made up."""

    platform: Platform
    processors: Processors
    memory: Memory
    memory_bandwidth: Bandwidth
    gpus: tuple[Gpu, ...] = ()
    disks: tuple[Disk, ...] = ()
    build: Build = Build(("CPU",))
    memory_processes: tuple[GpuProcess, ...] = ()  # the largest other programs, largest first
    assumptions: tuple[str, ...] = ()
    margin: Margin | None = None  # memory that plans leave free, if you set it

    @property
    def rpc_servers(self) -> tuple[str, ...]:
        """The addresses of the RPC servers whose devices are among the GPUs."""
        return tuple(dict.fromkeys(gpu.name for gpu in self.gpus if gpu.backend == "RPC"))
