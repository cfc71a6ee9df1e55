"""Typical machines to recommend for, as `g4run hardware` would report them.

Memory bandwidths are nominal, and GPU figures come from the table of known GPUs. The free memory is that of an idle
system, unless the machine's name says that it is busy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from g4run.hardware.gpus.gpu_table import find_gpu
from g4run.hardware.machine import Bandwidth, Build, FigureSource, Gpu, GpuKind, GpuProcess, Machine, Platform
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors

GIB = 2**30


@dataclass(frozen=True, slots=True)
class _Card:
    """A kind of discrete GPU, with its memory in GiB; the table of known GPUs has its other figures."""

    name: str
    memory_gib: float
    backend: str = "CUDA"


GTX_1050_TI = _Card("NVIDIA GeForce GTX 1050 Ti", 4)
GTX_1060 = _Card("NVIDIA GeForce GTX 1060 6GB", 6)
GTX_1080 = _Card("NVIDIA GeForce GTX 1080", 8)
RTX_2060 = _Card("NVIDIA GeForce RTX 2060", 6)
RTX_3050_LAPTOP = _Card("NVIDIA GeForce RTX 3050 Laptop GPU", 4)
RTX_3060 = _Card("NVIDIA GeForce RTX 3060", 12)
RTX_3070 = _Card("NVIDIA GeForce RTX 3070", 8)
RTX_3090 = _Card("NVIDIA GeForce RTX 3090", 24)
RTX_4060_LAPTOP = _Card("NVIDIA GeForce RTX 4060 Laptop GPU", 8)
RTX_4060_TI = _Card("NVIDIA GeForce RTX 4060 Ti", 16)
RTX_4070 = _Card("NVIDIA GeForce RTX 4070", 12)
RTX_4080 = _Card("NVIDIA GeForce RTX 4080", 16)
RTX_4090 = _Card("NVIDIA GeForce RTX 4090", 24)
RTX_5070_TI = _Card("NVIDIA GeForce RTX 5070 Ti", 16)
RTX_5090 = _Card("NVIDIA GeForce RTX 5090", 32)
RTX_6000_ADA = _Card("NVIDIA RTX 6000 Ada Generation", 48)
A100 = _Card("NVIDIA A100-SXM4-40GB", 40)
H100 = _Card("NVIDIA H100 80GB HBM3", 80)
H200 = _Card("NVIDIA H200", 141)
MIG_1G = _Card("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4.75)
MIG_3G = _Card("NVIDIA H100 80GB HBM3 MIG 3g.40gb", 39.5)
RX_7900_XTX = _Card("AMD Radeon RX 7900 XTX", 24, "ROCm")
R9700 = _Card("AMD Radeon AI PRO R9700", 32, "ROCm")
RX_6600 = _Card("AMD Radeon RX 6600", 8, "Vulkan")
ARC_B580 = _Card("Intel Arc B580", 12, "SYCL")
ARC_A770 = _Card("Intel Arc A770", 16, "SYCL")
GTX_1660 = _Card("NVIDIA GeForce GTX 1660 Ti", 6)
RTX_2080_TI = _Card("NVIDIA GeForce RTX 2080 Ti", 11)
RTX_3080 = _Card("NVIDIA GeForce RTX 3080", 10)
RTX_4060 = _Card("NVIDIA GeForce RTX 4060", 8)
RTX_4070_TI_SUPER = _Card("NVIDIA GeForce RTX 4070 Ti SUPER", 16)
RTX_4080_LAPTOP = _Card("NVIDIA GeForce RTX 4080 Laptop GPU", 12)
RTX_4090_LAPTOP = _Card("NVIDIA GeForce RTX 4090 Laptop GPU", 16)
RTX_5060_TI = _Card("NVIDIA GeForce RTX 5060 Ti", 16)
RTX_5070 = _Card("NVIDIA GeForce RTX 5070", 12)
RTX_5080 = _Card("NVIDIA GeForce RTX 5080", 16)
RX_6700_XT = _Card("AMD Radeon RX 6700 XT", 12, "Vulkan")
RX_7800_XT = _Card("AMD Radeon RX 7800 XT", 16, "ROCm")
RX_7900_XT = _Card("AMD Radeon RX 7900 XT", 20, "ROCm")
RX_9070_XT = _Card("AMD Radeon RX 9070 XT", 16, "ROCm")
T4 = _Card("Tesla T4", 15)
L4 = _Card("NVIDIA L4", 22.5)
A10 = _Card("NVIDIA A10", 22.5)
L40S = _Card("NVIDIA L40S", 45)


def make_machine(
    ram_gib: float,
    cores: int,
    bandwidth: float,
    *cards: _Card,
    gpus: tuple[Gpu, ...] = (),
    available_gib: float | None = None,
    limit_gib: float | None = None,
    quota: float | None = None,
    system: str = "Linux",
    architecture: str = "x86_64",
) -> Machine:
    """Build a machine with memory in GiB and bandwidth in GB per second, idle unless `available_gib` is given."""
    usable = ram_gib if limit_gib is None else min(ram_gib, limit_gib)
    available = usable - min(2.0, usable * 0.15) if available_gib is None else available_gib
    all_gpus = (*(make_gpu(card) for card in cards), *gpus)
    backends = dict.fromkeys(gpu.backend for gpu in all_gpus if gpu.backend)
    return Machine(
        platform=Platform(system, architecture, is_container=limit_gib is not None),
        processors=Processors(cores, quota),
        memory=Memory(int(ram_gib * GIB), int(available * GIB), None if limit_gib is None else int(limit_gib * GIB)),
        memory_bandwidth=Bandwidth(bandwidth * 1e9, FigureSource.NOMINAL),
        gpus=all_gpus,
        build=Build(("CPU", *backends)),
    )


def make_gpu(card: _Card, *processes: GpuProcess) -> Gpu:
    """Build a card on which the driver and the desktop use 3 %, in addition to the processes."""
    total = int(card.memory_gib * GIB)
    free = int(total * 0.97) - sum(process.used_bytes for process in processes)
    return _gpu(card.name, GpuKind.DISCRETE, card.backend, total, free, processes)


def make_shared_gpu(name: str, kind: GpuKind, backend: str, gib: float) -> Gpu:
    """Build a shared-memory GPU that may use the given GiB of main memory."""
    return _gpu(name, kind, backend, int(gib * GIB), int(gib * GIB), ())


def make_apple(chip: str, ram_gib: int, cores: int, bandwidth: float) -> Machine:
    """Build a Mac: Metal may use two thirds of up to 36 GiB, three quarters of more, within the available memory."""
    available = ram_gib - min(4.0, ram_gib * 0.3)
    working_set = min(ram_gib * (0.67 if ram_gib <= 36 else 0.75), available)
    gpu = make_shared_gpu(f"Apple {chip}", GpuKind.UNIFIED, "Metal", working_set)
    return make_machine(
        ram_gib, cores, bandwidth, gpus=(gpu,), available_gib=available, system="macOS", architecture="arm64"
    )


def known_machines() -> Iterator[tuple[str, Machine]]:
    """Yield every machine with its name, in the order of the table."""
    yield from _desktops()
    yield from _laptops()
    yield from _shared_memory()
    yield from _without_gpu()
    yield from _servers()


def _desktops() -> Iterator[tuple[str, Machine]]:
    yield "desktop, GTX 1050 Ti 4 GB, 16 GB", make_machine(16, 4, 34, GTX_1050_TI)
    yield "desktop, GTX 1060 6 GB, 16 GB", make_machine(16, 4, 38, GTX_1060)
    yield "desktop, GTX 1080 8 GB, 32 GB", make_machine(32, 6, 42, GTX_1080)
    yield "desktop, RTX 2060 6 GB, 16 GB", make_machine(16, 6, 42, RTX_2060)
    yield "desktop, RX 6600 8 GB, 16 GB", make_machine(16, 6, 51, RX_6600)
    yield "desktop, RTX 3060 12 GB, 16 GB", make_machine(16, 6, 51, RTX_3060)
    yield "desktop, RTX 3060 12 GB, 32 GB", make_machine(32, 8, 51, RTX_3060)
    yield "desktop, RTX 3070 8 GB, 32 GB", make_machine(32, 8, 51, RTX_3070)
    yield "desktop, Arc B580 12 GB, 32 GB", make_machine(32, 8, 83, ARC_B580)
    yield "desktop, RTX 4060 Ti 16 GB, 32 GB", make_machine(32, 8, 83, RTX_4060_TI)
    yield "desktop, RTX 4070 12 GB, 32 GB", make_machine(32, 8, 83, RTX_4070)
    yield "desktop, RTX 4080 16 GB, 64 GB", make_machine(64, 16, 90, RTX_4080)
    yield "desktop, RTX 5070 Ti 16 GB, 64 GB", make_machine(64, 12, 96, RTX_5070_TI)
    yield "desktop, RTX 3090 24 GB, 32 GB", make_machine(32, 8, 51, RTX_3090)
    yield "desktop, RX 7900 XTX 24 GB, 32 GB", make_machine(32, 8, 83, RX_7900_XTX)
    yield "desktop, RTX 4090 24 GB, 64 GB", make_machine(64, 16, 90, RTX_4090)
    yield "desktop, R9700 32 GB, 64 GB", make_machine(64, 16, 90, R9700)
    yield "desktop, RTX 5090 32 GB, 96 GB", make_machine(96, 16, 96, RTX_5090)
    yield "desktop, RTX 4090 and RTX 3060, 64 GB", make_machine(64, 16, 90, RTX_4090, RTX_3060)
    yield "desktop, two RTX 3090, 64 GB", make_machine(64, 16, 51, RTX_3090, RTX_3090)
    yield "desktop, GTX 1660 Ti 6 GB, 16 GB", make_machine(16, 6, 42, GTX_1660)
    yield "desktop, RTX 2080 Ti 11 GB, 32 GB", make_machine(32, 8, 47, RTX_2080_TI)
    yield "desktop, RTX 3080 10 GB, 32 GB", make_machine(32, 8, 51, RTX_3080)
    yield "desktop, RTX 4060 8 GB, 8 GB", make_machine(8, 6, 51, RTX_4060)
    yield "desktop, RTX 4070 Ti SUPER 16 GB, 64 GB", make_machine(64, 12, 90, RTX_4070_TI_SUPER)
    yield "desktop, RTX 5060 Ti 16 GB, 32 GB", make_machine(32, 8, 90, RTX_5060_TI)
    yield "desktop, RTX 5070 12 GB, 64 GB", make_machine(64, 12, 96, RTX_5070)
    yield "desktop, RTX 5080 16 GB, 64 GB", make_machine(64, 12, 96, RTX_5080)
    yield "desktop, RX 6700 XT 12 GB, 32 GB", make_machine(32, 8, 51, RX_6700_XT)
    yield "desktop, RX 7800 XT 16 GB, 32 GB", make_machine(32, 8, 83, RX_7800_XT)
    yield "desktop, RX 7900 XT 20 GB, 32 GB", make_machine(32, 8, 83, RX_7900_XT)
    yield "desktop, RX 9070 XT 16 GB, 64 GB", make_machine(64, 8, 96, RX_9070_XT)
    yield "desktop, Arc A770 16 GB, 32 GB", make_machine(32, 8, 83, ARC_A770)
    yield "desktop, two RTX 5060 Ti, 64 GB", make_machine(64, 12, 90, RTX_5060_TI, RTX_5060_TI)
    yield "desktop, RTX 4090 busy (20 GB held), 32 GB", _busy()
    yield "desktop, RTX 3060 with a CPU-only build, 32 GB", _unusable()
    yield "desktop, RTX 3060, 32 GB of which 6 free", make_machine(32, 8, 51, RTX_3060, available_gib=6)


def _laptops() -> Iterator[tuple[str, Machine]]:
    yield "laptop, RTX 3050 4 GB, 16 GB", make_machine(16, 8, 51, RTX_3050_LAPTOP, system="Windows")
    yield "laptop, RTX 4060 8 GB, 16 GB", make_machine(16, 8, 83, RTX_4060_LAPTOP, system="Windows")
    yield "laptop, RTX 4060 8 GB, 32 GB", make_machine(32, 8, 83, RTX_4060_LAPTOP, system="Windows")
    yield "laptop, RTX 4080 12 GB, 32 GB", make_machine(32, 12, 90, RTX_4080_LAPTOP, system="Windows")
    yield "laptop, RTX 4090 16 GB, 64 GB", make_machine(64, 12, 90, RTX_4090_LAPTOP, system="Windows")
    yield "laptop, Radeon 780M, 32 GB", _integrated()
    yield "laptop, no GPU, 8 GB", make_machine(8, 4, 38, system="Windows")
    yield "laptop, no GPU, 16 GB", make_machine(16, 4, 51, system="Windows")


def _shared_memory() -> Iterator[tuple[str, Machine]]:
    yield "Apple M1, 8 GB", make_apple("M1", 8, 8, 68)
    yield "Apple M2, 16 GB", make_apple("M2", 16, 8, 100)
    yield "Apple M3, 8 GB", make_apple("M3", 8, 8, 100)
    yield "Apple M1 Pro, 16 GB", make_apple("M1 Pro", 16, 10, 200)
    yield "Apple M3 Pro, 18 GB", make_apple("M3 Pro", 18, 11, 150)
    yield "Apple M4, 32 GB", make_apple("M4", 32, 10, 120)
    yield "Apple M4 Pro, 48 GB", make_apple("M4 Pro", 48, 14, 273)
    yield "Apple M4 Max, 128 GB", make_apple("M4 Max", 128, 16, 546)
    yield "Apple M3, 24 GB", make_apple("M3", 24, 8, 100)
    yield "Apple M4 Pro, 24 GB", make_apple("M4 Pro", 24, 12, 273)
    yield "Apple M1 Max, 32 GB", make_apple("M1 Max", 32, 10, 400)
    yield "Apple M4 Max, 64 GB", make_apple("M4 Max", 64, 16, 546)
    yield "Apple M2 Ultra, 128 GB", make_apple("M2 Ultra", 128, 24, 800)
    yield "Strix Halo, 64 GB", _strix_halo(64, 48)
    yield "Strix Halo, 128 GB", _strix_halo(128, 110)
    yield "GB10, 128 GB", _gb10()


def _without_gpu() -> Iterator[tuple[str, Machine]]:
    for ram in (4, 8, 16):
        yield f"Raspberry Pi 5, {ram} GB", make_machine(ram, 4, 17, architecture="arm64")
    yield "container, 2 GiB and 1 CPU of 8", make_machine(16, 8, 50, limit_gib=2, quota=1)
    yield "container, 4 GiB and 1 CPU of 64", make_machine(256, 64, 200, limit_gib=4, quota=1)
    yield "container, 8 GiB and 2 CPUs of 64", make_machine(256, 64, 200, limit_gib=8, quota=2)
    yield "container, 16 GiB and 2 CPUs of 64", make_machine(256, 64, 200, limit_gib=16, quota=2)
    yield "desktop, no GPU, 32 GB", make_machine(32, 8, 83)
    yield "desktop, no GPU, 64 GB", make_machine(64, 16, 90)


def _servers() -> Iterator[tuple[str, Machine]]:
    for ram, cores, bandwidth in ((16, 8, 85), (32, 16, 120), (64, 16, 140), (128, 32, 205), (512, 64, 410)):
        yield f"server, no GPU, {ram} GB", make_machine(ram, cores, bandwidth)
    yield "server, A100 40 GB", make_machine(256, 32, 200, A100)
    yield "server, MIG 1g.5gb of an A100", make_machine(128, 32, 200, MIG_1G)
    yield "server, MIG 3g.40gb of an H100", make_machine(256, 32, 300, MIG_3G)
    yield "workstation, RTX 6000 Ada 48 GB", make_machine(128, 32, 200, RTX_6000_ADA)
    yield "server, T4 16 GB", make_machine(64, 8, 100, T4)
    yield "server, L4 24 GB", make_machine(64, 8, 140, L4)
    yield "server, A10 24 GB", make_machine(128, 16, 140, A10)
    yield "server, L40S 48 GB", make_machine(256, 32, 300, L40S)
    yield "server, H100 80 GB", make_machine(256, 32, 300, H100)
    yield "server, H200 141 GB", make_machine(512, 64, 400, H200)


def _gpu(name: str, kind: GpuKind, backend: str, total: int, free: int, processes: tuple[GpuProcess, ...]) -> Gpu:
    known = find_gpu(name, total if kind is GpuKind.DISCRETE else None)
    assert known is not None, name
    bandwidth = Bandwidth(known.bandwidth, FigureSource.NOMINAL)
    return Gpu(name, kind, backend, total, free, bandwidth, known.half_precision_flops, processes)


def _busy() -> Machine:
    processes = (GpuProcess(4711, "ollama", 18 * 10**9), GpuProcess(815, "steam", 2 * 10**9))
    return make_machine(32, 16, 90, gpus=(make_gpu(RTX_4090, *processes),))


def _unusable() -> Machine:
    return make_machine(32, 8, 51, gpus=(replace(make_gpu(RTX_3060), backend=None),))


def _integrated() -> Machine:
    gpu = make_shared_gpu("AMD Radeon 780M", GpuKind.INTEGRATED, "Vulkan", 14)
    return make_machine(32, 8, 90, gpus=(gpu,), system="Windows")


def _strix_halo(ram_gib: int, gpu_gib: int) -> Machine:
    gpu = make_shared_gpu("AMD Radeon 8060S", GpuKind.INTEGRATED, "Vulkan", gpu_gib)
    return make_machine(ram_gib, 16, 256, gpus=(gpu,))


def _gb10() -> Machine:
    gpu = make_shared_gpu("NVIDIA GB10", GpuKind.UNIFIED, "CUDA", 115)
    return make_machine(128, 20, 273, gpus=(gpu,), architecture="arm64")
