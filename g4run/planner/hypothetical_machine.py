"""A machine as it would be: with another GPU, another amount of memory, or with other programs ended."""

import re
from collections.abc import Callable
from dataclasses import replace

from g4run.errors import UsageError
from g4run.hardware.apple import working_set_bytes
from g4run.hardware.gpus.gpu_table import KnownGpu
from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, Machine
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.planner.memory.layer_split import usable_gpus

NO_GPU = "none"

# What the system and the desktop keep of memory on a machine on which nothing else runs. Judgements.
_SYSTEM_BYTES = 2 * 2**30
_SYSTEM_SHARE = 0.15  # of small machines, which run lighter systems
_DISPLAY_SHARE = 0.05  # of a GPU's memory: the driver's own and the desktop

_AMD = re.compile(r"\b(rx|amd|radeon|r9700|mi\d+x?|w\d{4})\b", re.ASCII)  # of the table's names
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
    """The machine with what a person names in place of what it has; `gpu` of "none" takes its GPUs away.

    What is named is taken to be free, except for what a system keeps. Raises UsageError for a GPU that is not in the
    table, and for memory of none.
    """
    if vram_bytes is not None and gpu is not None and gpu.lower() == NO_GPU:
        raise UsageError("--gpu none leaves no GPU that could have --vram", "--vram alone, or --gpu none alone")
    if cores is not None:
        machine = replace(
            machine, processors=Processors(cores, None, instruction_sets=machine.processors.instruction_sets)
        )
    if ram_bytes is not None:
        memory = _memory(ram_bytes)
        machine = replace(
            machine, memory=memory, gpus=tuple(_sharing(gpu, machine.memory, memory) for gpu in machine.gpus)
        )
    if gpu is not None:
        machine = replace(machine, gpus=_gpus(gpu, machine, find_gpu))
    if vram_bytes is not None:
        machine = replace(machine, gpus=_with_memory(machine, vram_bytes))
    return machine


def idle_machine(machine: Machine) -> Machine:
    """The machine as it would be if other programs gave back the memory that they hold."""
    usable = machine.memory.usable_bytes
    available = max(machine.memory.available_bytes, usable - _kept_bytes(usable))
    gained = available - machine.memory.available_bytes
    return replace(
        machine,
        memory=replace(machine.memory, available_bytes=available),
        gpus=tuple(replace(gpu, free_bytes=_freed_bytes(gpu, gained)) for gpu in machine.gpus),
    )


def _freed_bytes(gpu: Gpu, gained: int) -> int:
    """What a GPU would have free: its own memory less the display's, or what main memory gains."""
    if gpu.kind is GpuKind.DISCRETE:
        return max(gpu.free_bytes, gpu.total_bytes - int(gpu.total_bytes * _DISPLAY_SHARE))
    return max(gpu.free_bytes, min(gpu.total_bytes, gpu.free_bytes + gained))


def _memory(total_bytes: int) -> Memory:
    return Memory(total_bytes, total_bytes - _kept_bytes(total_bytes), None)


def _sharing(gpu: Gpu, before: Memory, after: Memory) -> Gpu:
    """A GPU in other main memory: one without memory of its own may use as large a part of it, or Metal's part."""
    if gpu.kind is GpuKind.DISCRETE:
        return gpu
    total = gpu.total_bytes * after.usable_bytes // max(1, before.usable_bytes)
    total = working_set_bytes(after.usable_bytes, 0) if gpu.name.startswith("Apple") else total
    return replace(gpu, total_bytes=total, free_bytes=min(total, after.available_bytes), processes=())


def _kept_bytes(total_bytes: int) -> int:
    return min(_SYSTEM_BYTES, int(total_bytes * _SYSTEM_SHARE))


def _gpus(name: str, machine: Machine, find_gpu: Callable[[str], KnownGpu | None]) -> tuple[Gpu, ...]:
    if name.lower() == NO_GPU:
        return ()
    known = find_gpu(name)
    if known is None:
        raise UsageError(
            f"no GPU called {name!r} is in the table of known ones",
            "give its memory instead, as in --vram 12GB, or --gpu none for a machine without",
        )
    return (_gpu(known, machine),)


def _gpu(known: KnownGpu, machine: Machine) -> Gpu:
    """A GPU of the table, as a build that can use it would find it."""
    total, free = known.total_bytes, known.total_bytes - int(known.total_bytes * _DISPLAY_SHARE)
    if known.kind is not GpuKind.DISCRETE or not total:
        usable = machine.memory.usable_bytes
        total = working_set_bytes(usable, 0) if _is_apple(known) else usable
        free = min(total, machine.memory.available_bytes)
    bandwidth = Bandwidth(known.bandwidth, FigureSource.NOMINAL)
    return Gpu(known.name, known.kind, _backend(known), total, free, bandwidth, known.half_precision_flops)


def _backend(known: KnownGpu) -> str:
    """The backend that its maker's GPUs are best with."""
    name = known.name.lower()
    if _is_apple(known):
        return "Metal"
    if known.kind is GpuKind.INTEGRATED:
        return "Vulkan"
    return "ROCm" if _AMD.search(name) else "SYCL" if "arc" in name else "CUDA"


def _is_apple(known: KnownGpu) -> bool:
    return known.kind is GpuKind.UNIFIED and _APPLE.match(known.name.lower()) is not None


def _with_memory(machine: Machine, total_bytes: int) -> tuple[Gpu, ...]:
    """The GPUs, the first that llama.cpp uses with other memory; where there is none, one of which nothing is known."""
    free_bytes = total_bytes - int(total_bytes * _DISPLAY_SHARE)
    if not machine.gpus:
        bandwidth = Bandwidth(_ASSUMED_BANDWIDTH, FigureSource.ASSUMED)
        return (Gpu("GPU", GpuKind.DISCRETE, "CUDA", total_bytes, free_bytes, bandwidth, None),)
    first = (usable_gpus(machine) or machine.gpus)[0]
    altered = replace(first, total_bytes=total_bytes, free_bytes=free_bytes, processes=())
    return tuple(altered if gpu is first else gpu for gpu in machine.gpus)
