"""Device classes: devices on which a language model reaches a similar share of bandwidth and arithmetic."""

import re
from enum import StrEnum

from g4run.hardware.machine import Gpu, GpuKind, Machine


class DeviceClass(StrEnum):
    """The class that a device is calibrated as."""

    NVIDIA = "nvidia"  # discrete, Volta and later
    PASCAL = "pascal"  # NVIDIA before tensor cores
    AMD = "amd"  # discrete RDNA
    GCN = "gcn"  # AMD before RDNA and the MI100
    APPLE = "apple"
    GB10 = "gb10"  # DGX Spark
    JETSON = "jetson"
    INTEGRATED = "integrated"
    OTHER_GPU = "other_gpu"
    X86_OLD = "x86_old"  # without AVX2
    X86 = "x86"  # AVX2
    X86_VNNI = "x86_vnni"  # with 256-bit dot products: AVX-VNNI
    X86_512 = "x86_512"  # with 512-bit dot products: AVX-512 VNNI
    ARM_NEON = "arm_neon"  # without dot products: Cortex-A53, A57, A72, A73
    ARM = "arm"  # with dot products
    ARM_I8MM = "arm_i8mm"  # with matrix products: i8mm, or SVE


_GB10 = re.compile(r"\bGB10\b|DGX Spark", re.IGNORECASE)
_JETSON = re.compile(r"\b(?:Jetson|Orin|Thor|Xavier|Tegra)\b", re.IGNORECASE)
_APPLE = re.compile(r"\bApple\b|\bM\d+\b", re.IGNORECASE)
_OTHER = re.compile(r"\bIntel\b|\bArc\b", re.IGNORECASE)  # Arc A770, not to be taken for an NVIDIA A100
_PASCAL = re.compile(
    r"\bGTX (?:[4-9]\d\d|10\d\d)\b|\bGT \d{3,4}\b|\b[KMP](?:4|6|10|40|60|80|100)\b|Quadro [KMP]\d|TITAN Xp?\b",
    re.IGNORECASE,
)
_NVIDIA = re.compile(
    r"NVIDIA|GeForce|\bRTX\b|\bGTX\b|Quadro|Tesla|TITAN|\b(?:GH|GB|[ABHLTV])(?:2|4|10|16|20|30|40|100|200|300|800)[GS]?\b",
    re.IGNORECASE,
)
_GCN = re.compile(r"Radeon VII\b|\bVega\b|\bMI(?:6|8|25|50|60)\b|\bRX [45]\d\d\b|\bgfx90[06]\b", re.IGNORECASE)
_AMD = re.compile(r"AMD|Radeon|\bRX\b|Instinct|\bMI\d+|\bPRO [RVW]\d", re.IGNORECASE)


def class_of_gpu(gpu: Gpu) -> DeviceClass:
    """Return the class of a GPU by its name and kind."""
    if _GB10.search(gpu.name):
        return DeviceClass.GB10
    if gpu.kind is not GpuKind.DISCRETE:
        return _class_of_shared_memory(gpu)
    if _OTHER.search(gpu.name):
        return DeviceClass.OTHER_GPU
    if _PASCAL.search(gpu.name):
        return DeviceClass.PASCAL
    if _NVIDIA.search(gpu.name):
        return DeviceClass.NVIDIA
    if _GCN.search(gpu.name):
        return DeviceClass.GCN
    return DeviceClass.AMD if _AMD.search(gpu.name) else DeviceClass.OTHER_GPU


def _class_of_shared_memory(gpu: Gpu) -> DeviceClass:
    if gpu.kind is GpuKind.UNIFIED and _APPLE.search(gpu.name):
        return DeviceClass.APPLE
    return DeviceClass.JETSON if _JETSON.search(gpu.name) else DeviceClass.INTEGRATED


def class_of_processors(machine: Machine) -> DeviceClass:
    """Return the class of the processors by their architecture and instruction sets; unknown ones are recent."""
    sets = frozenset(machine.processors.instruction_sets)
    if machine.platform.architecture.lower().startswith(("arm", "aarch")):
        if sets & {"i8mm", "sve"}:
            return DeviceClass.ARM_I8MM
        return DeviceClass.ARM if "dotprod" in sets or not sets else DeviceClass.ARM_NEON
    if "avx512_vnni" in sets:
        return DeviceClass.X86_512
    if "avx_vnni" in sets:
        return DeviceClass.X86_VNNI
    return DeviceClass.X86 if "avx2" in sets or not sets else DeviceClass.X86_OLD
