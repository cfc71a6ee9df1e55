"""Hypothetical machines: with another GPU, another amount of memory, or without other programs."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from g4run.errors import UsageError
from g4run.hardware.apple import working_set_bytes
from g4run.hardware.gpus.gpu_table import KnownGpu
from g4run.hardware.machine import Bandwidth, Build, FigureSource, Gpu, GpuKind, Machine, Platform
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.planner.memory.layer_split import usable_gpus
from g4run.suggestions import did_you_mean
from g4run.units import render_bytes, render_plural

if TYPE_CHECKING:
    from g4run.hardware.typical.machine_table import KnownMachine

NO_GPU = "none"

# Memory that the system and the desktop use on an otherwise idle machine. Assumed.
_SYSTEM_BYTES, _WINDOWS_BYTES = 2 * 2**30, 3 * 2**30
_SYSTEM_SHARE, _WINDOWS_SHARE = 0.15, 0.35  # at most, on small machines, which run lighter systems
_DISPLAY_SHARE = 0.05  # of a GPU's memory, for the driver and the desktop

_AMD = re.compile(r"\b(rx|amd|radeon|r9700|mi\d+x?|w\d{4})\b", re.ASCII)  # in the names of the GPU table
_APPLE = re.compile(r"m\d\b", re.ASCII)
# Instruction sets that decide how fast processors multiply, best first.
_NAMED_SETS = {
    "avx512_vnni": "AVX-512",
    "avx_vnni": "AVX-VNNI",
    "avx2": "AVX2",
    "i8mm": "i8mm",
    "dotprod": "dot products",
    "neon": "NEON",
}


def alter_machine(
    machine: Machine,
    *,
    gpus: Sequence[str] = (),
    vram_bytes: int | None = None,
    ram_bytes: int | None = None,
    cores: int | None = None,
    bandwidth: float | None = None,
    find_gpu: Callable[[str], KnownGpu | None],
) -> Machine:
    """Return the machine with the given hardware in place of its own; "none" as the only GPU removes its GPUs.

    The given memory counts as free, except for what the system uses; `vram_bytes` is that of each named GPU.
    `bandwidth` is main memory's, in bytes per second. Raises UsageError for a GPU that is not in the table and has no
    `vram_bytes`, and for GPU memory without a GPU.
    """
    has_none = NO_GPU in (name.lower() for name in gpus)
    if has_none and (vram_bytes is not None or len(gpus) > 1):
        raise UsageError(
            f"--gpu none and {'--vram' if len(gpus) == 1 else 'another --gpu'} exclude each other",
            "use --vram or --gpu none" if len(gpus) == 1 else "use --gpu none alone",
        )
    if cores is not None:
        before = machine.processors
        processors = Processors(cores, None, instruction_sets=before.instruction_sets, are_virtual=before.are_virtual)
        machine = replace(machine, processors=processors)
    if ram_bytes is not None:
        memory = Memory(ram_bytes, ram_bytes - _kept_bytes(ram_bytes, machine.platform), None)
        shared = tuple(_sharing(gpu, machine.memory, memory) for gpu in machine.gpus)
        machine = replace(machine, memory=memory, gpus=shared)
    if gpus:
        named = () if has_none else tuple(_gpu(name, machine, vram_bytes, find_gpu) for name in gpus)
        machine = replace(machine, gpus=named)
    elif vram_bytes is not None:
        machine = replace(machine, gpus=_with_memory(machine, vram_bytes))
    return machine if bandwidth is None else _with_bandwidth(machine, Bandwidth(bandwidth, FigureSource.NOMINAL))


def machine_like(known: "KnownMachine", memory_bytes: int, find_gpu: Callable[[str], KnownGpu | None]) -> Machine:
    """Return an idle machine of a kind, with its own GPU if it has one."""
    source = FigureSource.ASSUMED if known.is_assumed else FigureSource.NOMINAL
    machine = Machine(
        platform=known.platform,
        processors=Processors(
            known.cores,
            None,
            logical_processors=known.cores,
            installed_cores=known.cores,
            performance_cores=known.fast_cores,
            instruction_sets=known.instruction_sets,
            are_virtual=known.is_virtual,
        ),
        memory=Memory(memory_bytes, memory_bytes - _kept_bytes(memory_bytes, known.platform), None),
        memory_bandwidth=Bandwidth(known.bandwidth, source),
    )
    if not known.gpu:
        return machine
    gpu = _gpu(known.gpu, machine, None, find_gpu)
    if gpu.kind is not GpuKind.DISCRETE and gpu.backend != "Metal":
        total = int(memory_bytes * known.gpu_share)
        gpu = replace(gpu, total_bytes=total, free_bytes=min(total, machine.memory.available_bytes))
    if gpu.bandwidth is not None and known.bandwidth < gpu.bandwidth.bytes_per_second:
        gpu = replace(gpu, bandwidth=machine.memory_bandwidth)
    return replace(machine, gpus=(gpu,), build=Build(("CPU", gpu.backend or "CPU")))


def assume(machine: Machine, origin: str) -> Machine:
    """Return another machine with its assumptions in words; `origin` says where its processors and memory are from."""
    processors, memory = machine.processors, machine.memory
    sets = next((f" ({name})" for key, name in _NAMED_SETS.items() if key in processors.instruction_sets), "")
    quota = processors.physical_cores if processors.quota is None else max(1, int(processors.quota))
    cores = render_plural(min(processors.physical_cores, quota), "core")
    bandwidth = f"{machine.memory_bandwidth.bytes_per_second / 1e9:.3g} GB/s"
    parts = [f"{origin} with {cores}{sets} and {_size(memory.usable_bytes)} of memory at {bandwidth}"]
    for gpu in dict.fromkeys(machine.gpus):
        count = machine.gpus.count(gpu)
        times, each = (f"{count} x ", " each") if count > 1 else ("", "")
        shared = "" if gpu.kind is GpuKind.DISCRETE else " of that memory"
        parts.append(f"{times}{gpu.name} with {_size(gpu.total_bytes)}{each}{shared}")
    build = Build(machine.build.backends)  # without advice for the GPUs that were replaced
    return replace(machine, assumptions=tuple(parts), build=build)


def _size(size_bytes: int) -> str:
    """Render an amount in GiB if it is a whole number of them, as memory is sold."""
    whole, rest = divmod(size_bytes, 2**30)
    return render_bytes(size_bytes) if rest else f"{whole} GiB"


def idle_machine(machine: Machine) -> Machine:
    """Return the machine as it would be if no other program used its memory."""
    usable = machine.memory.usable_bytes
    available = max(machine.memory.available_bytes, usable - _kept_bytes(usable, machine.platform))
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


def _kept_bytes(total_bytes: int, platform: Platform) -> int:
    if platform.system == "Windows":
        return min(_WINDOWS_BYTES, int(total_bytes * _WINDOWS_SHARE))
    return min(_SYSTEM_BYTES, int(total_bytes * _SYSTEM_SHARE))


def _without_display(total_bytes: int) -> int:
    return total_bytes - int(total_bytes * _DISPLAY_SHARE)


def _gpu(name: str, machine: Machine, vram_bytes: int | None, find_gpu: Callable[[str], KnownGpu | None]) -> Gpu:
    """Return a GPU of the table as a build that can use it would report it; an unknown one with the given memory."""
    known = find_gpu(name)
    if known is None and vram_bytes is not None:
        return Gpu(name, GpuKind.DISCRETE, _backend(name, GpuKind.DISCRETE), *_card_memory(vram_bytes), None, None)
    if known is None:
        from g4run.hardware.gpus.gpu_names import similar_gpus  # noqa: PLC0415 - patterns that lists do not need

        hint = "give its memory, too, as in --vram 12GB, or use --gpu none"
        near = did_you_mean(similar_gpus(name))
        raise UsageError(f"{name!r} is not a known GPU", f"{near} If not, {hint}" if near else hint)
    sizes = _card_memory(vram_bytes or known.total_bytes)
    if vram_bytes is None and (known.kind is not GpuKind.DISCRETE or not known.total_bytes):
        usable = machine.memory.usable_bytes
        total = usable // 2 if known.kind is GpuKind.INTEGRATED else usable  # half: the default of AMD's Linux driver
        total = working_set_bytes(usable, 0) if _is_apple(known) else total
        sizes = (total, min(total, machine.memory.available_bytes))
    bandwidth = Bandwidth(known.bandwidth, FigureSource.NOMINAL)
    backend = "Metal" if _is_apple(known) else _backend(known.name, known.kind)
    return Gpu(known.name, known.kind, backend, *sizes, bandwidth, known.half_precision_flops)


def _with_bandwidth(machine: Machine, bandwidth: Bandwidth) -> Machine:
    """Return the machine with another bandwidth of main memory, which GPUs without their own memory use, too."""
    gpus = tuple(gpu if gpu.kind is GpuKind.DISCRETE else replace(gpu, bandwidth=bandwidth) for gpu in machine.gpus)
    return replace(machine, memory_bandwidth=bandwidth, gpus=gpus)


def _backend(name: str, kind: GpuKind) -> str:
    """Return the best backend for GPUs of this vendor."""
    if kind is GpuKind.INTEGRATED:
        return "Vulkan"
    lower = name.lower()
    return "ROCm" if _AMD.search(lower) else "SYCL" if "arc" in lower else "CUDA"


def _is_apple(known: KnownGpu) -> bool:
    return known.kind is GpuKind.UNIFIED and _APPLE.match(known.name.lower()) is not None


def _with_memory(machine: Machine, total_bytes: int) -> tuple[Gpu, ...]:
    """Return the GPUs with other memory in the first that llama.cpp uses; without GPUs, an unknown one."""
    total, free = _card_memory(total_bytes)
    if not machine.gpus:
        return (Gpu("GPU", GpuKind.DISCRETE, "CUDA", total, free, None, None),)
    first = (usable_gpus(machine) or machine.gpus)[0]
    altered = replace(first, total_bytes=total, free_bytes=free, processes=())
    return tuple(altered if gpu is first else gpu for gpu in machine.gpus)


def _card_memory(total_bytes: int) -> tuple[int, int]:
    """Return a card's memory, and what the display leaves of it."""
    return total_bytes, _without_display(total_bytes)
