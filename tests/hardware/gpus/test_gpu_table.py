"""Nominal figures, by every name a GPU goes by."""

import pytest

from g4run.hardware.gpus.gpu_table import find_gpu, find_memory_bandwidth, gpu_table
from g4run.hardware.machine import GpuKind

GIB = 1 << 30
KNOWN_GPUS = [entry.row for entry in gpu_table()]


@pytest.mark.parametrize(
    ("name", "expected", "gib", "gigabytes_per_second"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090", 24, 1008),
        ("RTX4090", "RTX 4090", 24, 1008),
        ("4090", "RTX 4090", 24, 1008),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "RTX 4090 Laptop", 16, 576),
        ("NVIDIA GeForce RTX 4080 SUPER", "RTX 4080 Super", 16, 736),
        ("rtx3060ti", "RTX 3060 Ti", 8, 448),
        ("RTX 3060 8GB", "RTX 3060", 8, 240),
        ("RTX 4060 Ti 16 GB", "RTX 4060 Ti", 16, 288),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", 48, 960),
        ("Quadro RTX 6000", "Quadro RTX 6000", 24, 672),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000 Blackwell", 96, 1792),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "RTX PRO 6000 Blackwell Max-Q", 96, 1792),
        ("Tesla V100-SXM2-16GB", "V100 SXM", 16, 900),
        ("NVIDIA A100-SXM4-40GB", "A100 SXM", 40, 1555),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe", 80, 1935),
        ("NVIDIA A100-SXM4-80GB MIG 3g.40gb", "A100 SXM MIG 3g.40gb", 40, 1019.5),
        ("NVIDIA H100 80GB HBM3", "H100 SXM", 80, 3350),
        ("NVIDIA H100 PCIe", "H100 PCIe", 80, 2000),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "H100 SXM MIG 1g.10gb", 10, 418.75),
        ("NVIDIA H200", "H200", 141, 4800),
        ("NVIDIA L40S", "L40S", 48, 864),
        ("NVIDIA GB10", "GB10", 128, 273),
        ("AMD Radeon RX 7900 XTX (RADV NAVI31)", "RX 7900 XTX", 24, 960),
        ("RX7900XT", "RX 7900 XT", 20, 800),
        ("Radeon AI PRO R9700", "AI PRO R9700", 32, 640),
        ("r9700", "AI PRO R9700", 32, 640),
        ("Strix Halo", "Radeon 8060S", 0, 256),
        ("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", "Radeon 8060S", 0, 256),
        ("AMD Radeon Graphics (RADV GFX1151)", "Radeon 8060S", 0, 256),
        ("Intel(R) Arc(TM) B580 Graphics", "Arc B580", 12, 456),
        ("Apple M1 Max", "M1 Max", 0, 400),
        ("M1", "M1", 0, 68.3),
        ("Apple M3 Max 40-core", "M3 Max", 0, 400),
        ("Apple M3 Max 30-core", "M3 Max 30-core", 0, 300),
    ],
)
def test_a_gpu_is_found_by_its_names(name: str, expected: str, gib: int, gigabytes_per_second: float) -> None:
    found = find_gpu(name)
    assert found is not None
    assert (found.name, found.total_bytes, found.bandwidth) == (expected, gib * GIB, gigabytes_per_second * 1e9)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "GPU",
        "AMD Radeon Graphics",
        "llvmpipe",
        "GTX 1080 with Max-Q Design",
        "RTX 9999",
        "Radeon RX 7900 XT/7900 XTX",
    ],
)
def test_what_is_unknown_or_ambiguous_is_not_guessed(name: str) -> None:
    assert find_gpu(name) is None


def test_memory_decides_between_cards_of_one_name() -> None:
    found = find_gpu("NVIDIA GeForce RTX 3060", 8 * GIB - 5_000_000)
    assert found is not None
    assert found.bandwidth == 240e9


@pytest.mark.parametrize(
    ("processor", "bandwidth"), [("Apple M2", 100e9), ("AMD Ryzen 9 7950X", None), ("RTX 4090", None), ("", None)]
)
def test_chips_that_have_their_memory_beside_them(processor: str, bandwidth: float | None) -> None:
    assert find_memory_bandwidth(processor) == bandwidth


def test_every_entry_is_found_by_its_own_name() -> None:
    assert len(KNOWN_GPUS) >= 80
    assert [gpu for gpu in KNOWN_GPUS if find_gpu(gpu.name, gpu.total_bytes or None) != gpu] == []


def test_every_figure_has_a_source_and_a_plausible_size() -> None:
    for gpu in KNOWN_GPUS:
        assert gpu.source, gpu
        assert 20e9 < gpu.bandwidth < 1e13, gpu
        assert 4e11 < gpu.half_precision_flops < 1e16, gpu
        assert 5 < gpu.bandwidth / gpu.vector_flops * 1000 < 150, gpu  # bytes per 1,000 operations
        assert gpu.kind is GpuKind.DISCRETE or gpu.total_bytes in (0, 8 * GIB, 128 * GIB), gpu
