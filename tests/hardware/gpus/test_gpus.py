"""Devices of several backends and cards of the system, put together."""

import pytest
from msgspec.structs import replace

from g4run.engine.llama.devices import DeviceReport
from g4run.hardware.gpus.gpus import Card, Vendor, drop_software, merge_gpus, without_duplicates
from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind
from g4run.hardware.memory import Memory

GIB = 1 << 30
MEMORY = Memory(64 * GIB, 48 * GIB, None)
BANDWIDTH = Bandwidth(6e10, FigureSource.MEASURED)
NAME = "NVIDIA GeForce RTX 3090"
CUDA = DeviceReport("CUDA0", NAME, "CUDA", "gpu", 24 * GIB, 23 * GIB)
VULKAN = replace(CUDA, name="Vulkan0", backend="Vulkan")


def test_like_cards_without_addresses_are_paired_in_their_order() -> None:
    second = replace(CUDA, name="CUDA1")
    both = [replace(VULKAN, name=f"Vulkan{number}") for number in (0, 1)]
    assert without_duplicates([CUDA, second, *both]) == [CUDA, second]
    assert without_duplicates([*both, CUDA]) == [both[1], CUDA]


def test_a_second_card_that_only_vulkan_sees_stays() -> None:
    radeon = replace(VULKAN, name="Vulkan1", description="AMD Radeon RX 7900 XTX (RADV NAVI31)")
    assert without_duplicates([CUDA, VULKAN, radeon]) == [CUDA, radeon]


def test_an_address_tells_like_cards_apart() -> None:
    addressed = replace(CUDA, pci_address="0000:01:00.0")
    other = replace(VULKAN, pci_address="0000:02:00.0")
    assert without_duplicates([addressed, other]) == [addressed, other]
    assert without_duplicates([addressed, replace(other, pci_address="0000:01:00.0")]) == [addressed]


def test_the_names_of_backends_are_ours() -> None:
    devices = [replace(CUDA, backend="MTL"), replace(CUDA, backend="HIP", description="MI300X")]
    assert [device.backend for device in without_duplicates(devices)] == ["Metal", "ROCm"]


def test_what_a_processor_imitates_is_no_gpu_unless_it_is_named() -> None:
    software = replace(VULKAN, description="llvmpipe (LLVM 15.0.7, 256 bits)")
    assert drop_software([CUDA, software], {}) == [CUDA]
    assert drop_software([software], {"GGML_VK_VISIBLE_DEVICES": "0"}) == (software,)


@pytest.mark.parametrize(
    ("device", "kind", "free", "bandwidth"),
    [
        (CUDA, GpuKind.DISCRETE, 23 * GIB, Bandwidth(936e9, FigureSource.NOMINAL)),
        (replace(CUDA, description="Something New"), GpuKind.DISCRETE, 23 * GIB, None),
        (
            replace(VULKAN, description="Intel(R) Graphics", kind="igpu", total_bytes=60 * GIB, free_bytes=60 * GIB),
            GpuKind.INTEGRATED,
            48 * GIB,
            BANDWIDTH,
        ),
        (
            replace(VULKAN, description="AMD Radeon 780M (RADV PHOENIX)", kind="igpu"),
            GpuKind.INTEGRATED,
            23 * GIB,
            BANDWIDTH,
        ),
        (
            replace(CUDA, description="Apple M7", backend="MTL"),
            GpuKind.UNIFIED,
            23 * GIB,
            None,
        ),
    ],
)
def test_a_device_that_the_system_does_not_know(
    device: DeviceReport, kind: GpuKind, free: int, bandwidth: Bandwidth | None
) -> None:
    (found,) = merge_gpus([device], [], MEMORY, BANDWIDTH)
    assert (found.gpu.kind, found.gpu.free_bytes, found.gpu.bandwidth) == (kind, free, bandwidth)


def test_the_card_tells_what_is_free_and_the_backend_how_much_there_is() -> None:
    card = Card(Vendor.NVIDIA, NAME, GpuKind.DISCRETE, 25 * GIB, 22 * GIB)
    (found,) = merge_gpus([CUDA], [card], MEMORY, BANDWIDTH)
    assert found.gpu == Gpu(
        name=NAME,
        kind=GpuKind.DISCRETE,
        backend="CUDA",
        total_bytes=24 * GIB,
        free_bytes=22 * GIB,
        bandwidth=Bandwidth(936e9, FigureSource.NOMINAL),
        half_precision_flops=71e12,
    )


def test_of_a_macs_memory_the_backend_tells_the_limit_and_the_system_what_is_left() -> None:
    device = DeviceReport("MTL0", "Apple M5 Max", "MTL", "gpu", 44 * GIB, 44 * GIB)
    card = Card(Vendor.APPLE, "Apple M5 Max", GpuKind.UNIFIED, 40 * GIB, 48 * GIB, nominal_name="Apple M5 Max 40-core")
    (usable,) = merge_gpus([device], [card], MEMORY, BANDWIDTH)
    (unusable,) = merge_gpus([], [card], MEMORY, BANDWIDTH)
    assert (usable.gpu.total_bytes, usable.gpu.free_bytes) == (44 * GIB, 44 * GIB)
    assert (unusable.gpu.total_bytes, unusable.gpu.free_bytes) == (40 * GIB, 40 * GIB)


def test_a_backend_and_a_card_of_other_names_are_one_if_the_vendor_has_but_one() -> None:
    device = replace(VULKAN, description="AMD Radeon Graphics (RADV GFX1151)", kind="igpu")
    card = Card(Vendor.AMD, "AMD GPU 1586", GpuKind.UNIFIED, 100 * GIB, 90 * GIB)
    (found,) = merge_gpus([device], [card], MEMORY, BANDWIDTH)
    assert found.card == card
    assert found.gpu.bandwidth == Bandwidth(256e9, FigureSource.NOMINAL)
