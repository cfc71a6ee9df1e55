"""Machines for the planner's tests; sizes in GB of 10^9 bytes."""

from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, Machine, Platform
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.settings import Margin

GB = 10**9
MARGIN = Margin(250_000_000)  # the same on every device, so that tests of other things can count on it


def gpu(free_gb: float, backend: str | None = "CUDA", kind: GpuKind = GpuKind.DISCRETE, name: str = "GPU") -> Gpu:
    return Gpu(name, kind, backend, int(free_gb * GB), int(free_gb * GB), None, None)


def machine(ram_gb: float, *gpus: Gpu, cores: int = 8) -> Machine:
    memory = Memory(int(ram_gb * GB), int(ram_gb * GB), None)
    bandwidth = Bandwidth(5e10, FigureSource.ASSUMED)
    return Machine(Platform("Linux", "x86_64"), Processors(cores, None), memory, bandwidth, gpus, margin=MARGIN)
