import tomllib
from pathlib import Path

import pytest

from g4run.hardware.machine import GpuKind
from g4run.planner.speed.calibration import CONSTANTS, card_bandwidth
from g4run.planner.speed.device_classes import DeviceClass, class_of_gpu, class_of_processors
from tests.planner.speed.speed_machines import make_gpu, make_machine

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("NVIDIA GeForce RTX 4090", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("NVIDIA GeForce RTX 4060 Laptop GPU", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("NVIDIA GeForce GTX 1660 Ti", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("NVIDIA H100 80GB HBM3", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("H100", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("L40S", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("Tesla T4", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("Quadro RTX 6000", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("NVIDIA GeForce GTX 1070", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("GTX 1050 Ti", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("NVIDIA GeForce GTX 980", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("Tesla P40", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("Tesla P100-PCIE-16GB", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("Quadro P2000", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("NVIDIA TITAN Xp", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("NVIDIA TITAN RTX", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("P40", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("Tesla K80", GpuKind.DISCRETE, DeviceClass.PASCAL),
        ("A10G", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("NVIDIA GB200", GpuKind.DISCRETE, DeviceClass.NVIDIA),
        ("PRO W7900", GpuKind.DISCRETE, DeviceClass.AMD),
        ("AI PRO R9700", GpuKind.DISCRETE, DeviceClass.AMD),
        ("NVIDIA GB10", GpuKind.UNIFIED, DeviceClass.GB10),
        ("AMD Radeon RX 7900 XTX", GpuKind.DISCRETE, DeviceClass.AMD),
        ("AMD Radeon AI PRO R9700", GpuKind.DISCRETE, DeviceClass.AMD),
        ("Instinct MI300X", GpuKind.DISCRETE, DeviceClass.AMD),
        ("AMD Radeon 8060S Graphics", GpuKind.INTEGRATED, DeviceClass.INTEGRATED),
        ("Intel(R) Iris(R) Xe Graphics", GpuKind.INTEGRATED, DeviceClass.INTEGRATED),
        ("Intel(R) Arc(TM) B580 Graphics", GpuKind.DISCRETE, DeviceClass.OTHER_GPU),
        ("Intel Arc A770", GpuKind.DISCRETE, DeviceClass.OTHER_GPU),
        ("Moore Threads MTT S80", GpuKind.DISCRETE, DeviceClass.OTHER_GPU),
        ("Apple M1", GpuKind.UNIFIED, DeviceClass.APPLE),
        ("Orin", GpuKind.UNIFIED, DeviceClass.JETSON),
        ("NVIDIA Jetson AGX Thor", GpuKind.UNIFIED, DeviceClass.JETSON),
        ("Xavier", GpuKind.INTEGRATED, DeviceClass.JETSON),
        ("NVIDIA Tegra X1", GpuKind.INTEGRATED, DeviceClass.JETSON),
        ("AMD Instinct MI50", GpuKind.DISCRETE, DeviceClass.GCN),
        ("AMD Radeon VII", GpuKind.DISCRETE, DeviceClass.GCN),
        ("Radeon RX Vega 64", GpuKind.DISCRETE, DeviceClass.GCN),
        ("AMD Radeon RX 580 Series", GpuKind.DISCRETE, DeviceClass.GCN),
        ("AMD Radeon RX 5700 XT", GpuKind.DISCRETE, DeviceClass.AMD),
        ("AMD Radeon Vega 8 Graphics", GpuKind.INTEGRATED, DeviceClass.INTEGRATED),
        ("Apple M2 Pro", GpuKind.UNIFIED, DeviceClass.APPLE),
        ("Apple M4 Max", GpuKind.UNIFIED, DeviceClass.APPLE),
    ],
)
def test_gpu_classes_by_name_and_kind(name: str, kind: GpuKind, expected: DeviceClass) -> None:
    assert class_of_gpu(make_gpu(name, kind=kind)) is expected


def test_all_gpus_of_the_table_but_intels_are_calibrated() -> None:
    known = tomllib.loads((ROOT / "g4run" / "hardware" / "gpus" / "gpu_table.toml").read_text("utf-8"))["gpus"]
    names = [gpu["name"] for gpu in known if gpu.get("kind", "discrete") == "discrete"]
    others = [name for name in names if class_of_gpu(make_gpu(name)) is DeviceClass.OTHER_GPU]
    assert len(names) > 100
    assert [name for name in others if not name.startswith("Arc ")] == []


@pytest.mark.parametrize(
    ("architecture", "sets", "expected"),
    [
        ("aarch64", (), DeviceClass.ARM),
        ("arm64", ("neon", "fp16", "dotprod"), DeviceClass.ARM),
        ("aarch64", ("neon",), DeviceClass.ARM_NEON),
        ("aarch64", ("neon", "dotprod", "i8mm"), DeviceClass.ARM_I8MM),
        ("aarch64", ("neon", "dotprod", "sve"), DeviceClass.ARM_I8MM),
        ("x86_64", (), DeviceClass.X86),
        ("x86_64", ("avx", "f16c"), DeviceClass.X86_OLD),
        ("x86_64", ("avx", "avx2"), DeviceClass.X86),
        ("AMD64", ("avx2", "avx_vnni"), DeviceClass.X86_VNNI),
        ("x86_64", ("avx2", "avx_vnni", "avx512_vnni"), DeviceClass.X86_512),
    ],
)
def test_processor_classes_by_architecture_and_instruction_sets(
    architecture: str, sets: tuple[str, ...], expected: DeviceClass
) -> None:
    assert class_of_processors(make_machine(architecture=architecture, instruction_sets=sets)) is expected


def test_every_class_has_plausible_constants() -> None:
    assert set(CONSTANTS) == set(DeviceClass)
    for constants in CONSTANTS.values():
        assert 0.3 < constants.efficiency < 0.95
        assert constants.spread.low < 1 < constants.spread.high


@pytest.mark.parametrize(
    ("gibibytes", "expected"), [(4, 112e9), (8, 272e9), (12, 360e9), (16, 448e9), (24, 800e9), (80, 1900e9)]
)
def test_an_unknown_bandwidth_is_estimated_from_memory(gibibytes: int, expected: float) -> None:
    assert card_bandwidth(gibibytes << 30) == expected
