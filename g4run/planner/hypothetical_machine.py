"""Hypothetical machines: with another GPU, another amount of memory, or without other programs."""

import re
from collections.abc import Callable

from msgspec.structs import replace

from g4run.errors import UsageError
from g4run.hardware.apple import working_set_bytes
from g4run.hardware.gpus.gpu_table import KnownGpu
from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, Machine
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.planner.memory.layer_split import usable_gpus

NO_GPU = "none"

# Memory that the system and the desktop use on an otherwise idle machine. Assumed.
_SYSTEM_BYTES = 2 * 2**30
_SYSTEM_SHARE = 0.15  # on small machines, which run lighter systems
_DISPLAY_SHARE = 0.05  # of a GPU's memory, for the driver and the desktop

_AMD = re.compile(r"\b(rx|amd|radeon|r9700|mi\d+x?|w\d{4})\b", re.ASCII)  # in the names of the GPU table
_APPLE = re.compile(r"m\d\b", re.ASCII)
_ASSUMED_BANDWIDTH = 300e9  # bytes per second, between a GTX 1060's 192 and an RTX 3060's 360


def alter_machine(
    machine: Machine,
    *,
    gpu: str | None = None,
    vram_bytes: int | None = None,
    ram_bytes: int | None = None,
    cores: int | None = None,
    find_gpu: Callable[[str], KnownGpu | None],
) -> Machine:
    """Return the machine with the given hardware in place of its own; "none" as `gpu` removes its GPUs.

    The given memory counts as free, except for what the system uses. Raises UsageError for a GPU that is not in the
    table, and for GPU memory without a GPU.
    """
    if vram_bytes is not None and gpu is not None and gpu.lower() == NO_GPU:
        raise UsageError("--gpu none and --vram exclude each other", "use --vram or --gpu none")
    if cores is not None:
        processors = Processors(cores, None, instruction_sets=machine.processors.instruction_sets)
        machine = replace(machine, processors=processors)
    if ram_bytes is not None:
        memory = Memory(ram_bytes, ram_bytes - _kept_bytes(ram_bytes), None)
        gpus = tuple(_sharing(gpu, machine.memory, memory) for gpu in machine.gpus)
        machine = replace(machine, memory=memory, gpus=gpus)
    if gpu is not None:
        machine = replace(machine, gpus=() if gpu.lower() == NO_GPU else (_gpu(gpu, machine, find_gpu),))
    if vram_bytes is not None:
        machine = replace(machine, gpus=_with_memory(machine, vram_bytes))
    return machine


def idle_machine(machine: Machine) -> Machine:
    """Return the machine as it would be if no other program used its memory."""
    usable = machine.memory.usable_bytes
    available = max(machine.memory.available_bytes, usable - _kept_bytes(usable))
    gained = available - machine.memory.available_bytes
    return replace(
        machine,
        memory=replace(machine.memory, available_bytes=available),
        gpus=tuple(replace(gpu, free_bytes=_freed_bytes(gpu, gained)) for gpu in machine.gpus),
    )


def _freed_bytes(gpu: Gpu, gained: int) -> int:
    """Return what a GPU would have free: its own memory minus the display's share, or what main memory gains."""
    if gpu.kind is GpuKind.DISCRETE:
        return max(gpu.free_bytes, _without_display(gpu.total_bytes))
    return max(gpu.free_bytes, min(gpu.total_bytes, gpu.free_bytes + gained))


def _sharing(gpu: Gpu, before: Memory, after: Memory) -> Gpu:
    """Return a GPU for another amount of main memory; a shared-memory GPU keeps its share of it, or gets Metal's."""
    if gpu.kind is GpuKind.DISCRETE:
        return gpu
    total = gpu.total_bytes * after.usable_bytes // max(1, before.usable_bytes)
    total = working_set_bytes(after.usable_bytes, 0) if gpu.name.startswith("Apple") else total
    return replace(gpu, total_bytes=total, free_bytes=min(total, after.available_bytes), processes=())


def _kept_bytes(total_bytes: int) -> int:
    return min(_SYSTEM_BYTES, int(total_bytes * _SYSTEM_SHARE))


def _without_display(total_bytes: int) -> int:
    return total_bytes - int(total_bytes * _DISPLAY_SHARE)


def _gpu(name: str, machine: Machine, find_gpu: Callable[[str], KnownGpu | None]) -> Gpu:
    """Return a GPU of the table as a build that can use it would report it."""
    known = find_gpu(name)
    if known is None:
        raise UsageError(
            f"{name!r} is not a known GPU", "give its memory instead, as in --vram 12GB, or use --gpu none"
        )
    total, free = known.total_bytes, _without_display(known.total_bytes)
    if known.kind is not GpuKind.DISCRETE or not total:
        usable = machine.memory.usable_bytes
        total = working_set_bytes(usable, 0) if _is_apple(known) else usable
        free = min(total, machine.memory.available_bytes)
    bandwidth = Bandwidth(known.bandwidth, FigureSource.NOMINAL)
    return Gpu(known.name, known.kind, _backend(known), total, free, bandwidth, known.half_precision_flops)


def _backend(known: KnownGpu) -> str:
    """Return the best backend for GPUs of this vendor."""
    name = known.name.lower()
    if _is_apple(known):
        return "Metal"
    if known.kind is GpuKind.INTEGRATED:
        return "Vulkan"
    return "ROCm" if _AMD.search(name) else "SYCL" if "arc" in name else "CUDA"


def _is_apple(known: KnownGpu) -> bool:
    return known.kind is GpuKind.UNIFIED and _APPLE.match(known.name.lower()) is not None


def _with_memory(machine: Machine, total_bytes: int) -> tuple[Gpu, ...]:
    """Return the GPUs with other memory in the first that llama.cpp uses; without GPUs, an unknown one."""
    free_bytes = _without_display(total_bytes)
    if not machine.gpus:
        bandwidth = Bandwidth(_ASSUMED_BANDWIDTH, FigureSource.ASSUMED)
        return (Gpu("GPU", GpuKind.DISCRETE, "CUDA", total_bytes, free_bytes, bandwidth, None),)
    first = (usable_gpus(machine) or machine.gpus)[0]
    altered = replace(first, total_bytes=total_bytes, free_bytes=free_bytes, processes=())
    return tuple(altered if gpu is first else gpu for gpu in machine.gpus)
