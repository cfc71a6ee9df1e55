import pytest
from msgspec.structs import replace

from g4run.errors import UsageError
from g4run.hardware.gpus.gpu_table import find_gpu
from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, Platform
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.planner.hypothetical_machine import alter_machine, idle_machine
from tests.planner.known_machines import GIB, known_machines, make_machine

LAPTOP = make_machine(16, 4, 51)
MACHINES = dict(known_machines())


def test_without_options_the_machine_stays() -> None:
    assert alter_machine(LAPTOP, find_gpu=find_gpu) == LAPTOP


def test_a_known_gpu_replaces_the_machines_gpus() -> None:
    machine = alter_machine(MACHINES["desktop, two RTX 3090, 64 GB"], gpus=("rtx 4090",), find_gpu=find_gpu)
    known = find_gpu("rtx 4090")
    assert known is not None
    total = 24 * GIB
    assert machine.gpus == (
        Gpu(
            name=known.name,
            kind=GpuKind.DISCRETE,
            backend="CUDA",
            total_bytes=total,
            free_bytes=total - int(total * 0.05),
            bandwidth=Bandwidth(1008e9, FigureSource.NOMINAL),
            half_precision_flops=known.half_precision_flops,
        ),
    )


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("RTX 3060", "CUDA"),
        ("GB10", "CUDA"),
        ("RX 7900 XTX", "ROCm"),
        ("R9700", "ROCm"),
        ("MI300X", "ROCm"),
        ("Arc B580", "SYCL"),
        ("Radeon 780M", "Vulkan"),
        ("M4 Max", "Metal"),
    ],
)
def test_a_gpu_comes_with_its_backend(name: str, backend: str) -> None:
    assert [gpu.backend for gpu in alter_machine(LAPTOP, gpus=(name,), find_gpu=find_gpu).gpus] == [backend]


def test_a_shared_memory_gpu_has_the_free_main_memory() -> None:
    machine = alter_machine(LAPTOP, gpus=("M4 Max",), ram_bytes=64 * GIB, find_gpu=find_gpu)
    assert [(gpu.total_bytes, gpu.free_bytes) for gpu in machine.gpus] == [(48 * GIB, 48 * GIB)]
    small = alter_machine(LAPTOP, gpus=("M2",), ram_bytes=16 * GIB, find_gpu=find_gpu)
    assert [gpu.total_bytes for gpu in small.gpus] == [16 * GIB * 2 // 3]
    crowded = replace(LAPTOP, memory=Memory(16 * GIB, 3 * GIB, None))
    assert [gpu.free_bytes for gpu in alter_machine(crowded, gpus=("GB10",), find_gpu=find_gpu).gpus] == [3 * GIB]


def test_none_removes_the_gpus() -> None:
    assert alter_machine(MACHINES["server, H100 80 GB"], gpus=("None",), find_gpu=find_gpu).gpus == ()


def test_an_unknown_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^'Voodoo 2' is not a known GPU$"):
        alter_machine(LAPTOP, gpus=("Voodoo 2",), find_gpu=find_gpu)


def test_vram_changes_the_first_gpu_or_adds_an_unknown_one() -> None:
    two = MACHINES["desktop, RTX 4090 and RTX 3060, 64 GB"]
    altered = alter_machine(two, vram_bytes=48 * 10**9, find_gpu=find_gpu)
    assert [(gpu.name, gpu.total_bytes, gpu.free_bytes) for gpu in altered.gpus] == [
        (two.gpus[0].name, 48 * 10**9, 45_600_000_000),
        (two.gpus[1].name, two.gpus[1].total_bytes, two.gpus[1].free_bytes),
    ]
    assert alter_machine(LAPTOP, vram_bytes=10**10, find_gpu=find_gpu).gpus == (
        Gpu("GPU", GpuKind.DISCRETE, "CUDA", 10**10, 9_500_000_000, None, None),
    )


def test_given_memory_and_cores_have_no_container_limits() -> None:
    container = MACHINES["container, 4 GiB and 1 CPU of 64"]
    machine = alter_machine(container, ram_bytes=32 * GIB, cores=8, find_gpu=find_gpu)
    assert machine.memory == Memory(32 * GIB, 30 * GIB, None)
    assert machine.processors == Processors(8, None)
    small = alter_machine(container, ram_bytes=4 * 10**9, find_gpu=find_gpu)
    assert small.memory == Memory(4 * 10**9, 3_400_000_000, None)


def test_windows_keeps_more_memory_for_itself() -> None:
    windows = replace(LAPTOP, platform=Platform("Windows", "x86_64"))
    assert alter_machine(windows, ram_bytes=16 * GIB, find_gpu=find_gpu).memory.available_bytes == 13 * GIB
    small = alter_machine(windows, ram_bytes=4 * GIB, find_gpu=find_gpu)
    assert small.memory.available_bytes == 4 * GIB - int(4 * GIB * 0.35)


def test_an_idle_machine_frees_other_programs_memory_but_not_the_systems() -> None:
    busy = replace(MACHINES["desktop, RTX 4090 busy (20 GB held), 32 GB"], memory=Memory(32 * GIB, 6 * GIB, None))
    freed = idle_machine(busy)
    total = 24 * GIB
    assert freed.memory == Memory(32 * GIB, 30 * GIB, None)
    assert [gpu.free_bytes for gpu in freed.gpus] == [total - int(total * 0.05)]
    assert replace(freed, memory=busy.memory, gpus=busy.gpus) == busy


def test_a_shared_memory_gpu_gains_what_main_memory_gains() -> None:
    apple = MACHINES["Apple M2, 16 GB"]
    gained = idle_machine(apple).memory.available_bytes - apple.memory.available_bytes
    assert gained > 0
    assert idle_machine(apple).gpus[0].free_bytes == min(apple.gpus[0].total_bytes, apple.gpus[0].free_bytes + gained)


def test_an_idle_machine_stays_as_it_is() -> None:
    idle = MACHINES["desktop, no GPU, 32 GB"]
    assert idle_machine(idle) == idle


def test_vram_belongs_to_the_first_gpu_that_llama_cpp_uses() -> None:
    discrete = MACHINES["desktop, RTX 4090 and RTX 3060, 64 GB"].gpus[0]
    integrated = Gpu("Intel Graphics", GpuKind.INTEGRATED, "Vulkan", 8 * GIB, 8 * GIB, None, None)
    unused = replace(discrete, backend=None)
    machine = replace(LAPTOP, gpus=(unused, integrated, discrete))
    altered = alter_machine(machine, vram_bytes=48 * 10**9, find_gpu=find_gpu)
    assert [gpu.total_bytes for gpu in altered.gpus] == [discrete.total_bytes, 8 * GIB, 48 * 10**9]


def test_gpu_none_and_vram_exclude_each_other() -> None:
    with pytest.raises(UsageError, match=r"^--gpu none and --vram exclude each other$"):
        alter_machine(LAPTOP, gpus=("none",), vram_bytes=8 * 10**9, find_gpu=find_gpu)


def test_a_shared_memory_gpu_keeps_its_share_of_main_memory() -> None:
    apple = alter_machine(MACHINES["Apple M2, 16 GB"], ram_bytes=64 * GIB, find_gpu=find_gpu)
    assert [(gpu.total_bytes, gpu.free_bytes) for gpu in apple.gpus] == [(48 * GIB, 48 * GIB)]
    half = Gpu("Radeon", GpuKind.INTEGRATED, "Vulkan", 8 * GIB, 2 * GIB, None, None)
    halved = alter_machine(replace(LAPTOP, gpus=(half,)), ram_bytes=8 * GIB, find_gpu=find_gpu)
    assert LAPTOP.memory.total_bytes == 16 * GIB
    assert [(gpu.total_bytes, gpu.free_bytes) for gpu in halved.gpus] == [(4 * GIB, 4 * GIB)]
    card = MACHINES["desktop, RTX 4090 and RTX 3060, 64 GB"]
    assert alter_machine(card, ram_bytes=8 * GIB, find_gpu=find_gpu).gpus == card.gpus
