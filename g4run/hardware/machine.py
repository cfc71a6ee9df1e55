"""What a machine has, as one value: found out by the detectors beside this file, or read from a file."""

from dataclasses import dataclass
from enum import StrEnum

from g4run.hardware.figures import Count, Rate
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors


class GpuKind(StrEnum):
    """Whether a GPU has memory of its own."""

    DISCRETE = "discrete"
    INTEGRATED = "integrated"  # uses part of main memory
    UNIFIED = "unified"  # shares all of main memory, up to a limit


class FigureSource(StrEnum):
    """Where a figure comes from."""

    MEASURED = "measured"  # on this machine
    NOMINAL = "nominal"  # from the table of GPUs, which nobody compared with data sheets
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """How fast memory is read."""

    bytes_per_second: Rate
    source: FigureSource


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """Another program that holds memory: of a GPU, or main memory."""

    pid: Count
    name: str
    used_bytes: Count


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. `backend` is ggml's name (CUDA, ROCm, Metal, Vulkan, SYCL), or None: the build cannot use it."""

    name: str
    kind: GpuKind
    backend: str | None
    total_bytes: Count
    free_bytes: Count
    bandwidth: Bandwidth | None
    half_precision_flops: Rate | None  # per second, dense, from a table
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system that models lie on, or could."""

    path: str
    total_bytes: Count
    free_bytes: Count


@dataclass(frozen=True, slots=True)
class Build:
    """What the installed llama.cpp can use; `advice` and `command` where a GPU is here that it cannot."""

    backends: tuple[str, ...]
    advice: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Platform:
    """The system underneath."""

    system: str  # Linux, macOS, Windows
    architecture: str  # x86_64, arm64, …
    is_wsl: bool = False
    is_container: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """All that the planner asks of a machine."""

    platform: Platform
    processors: Processors
    memory: Memory
    memory_bandwidth: Bandwidth
    gpus: tuple[Gpu, ...] = ()
    disks: tuple[Disk, ...] = ()
    build: Build = Build(("CPU",))
    memory_processes: tuple[GpuProcess, ...] = ()  # the largest others in main memory, the largest first
