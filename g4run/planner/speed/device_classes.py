"""Device classes: devices on which a language model reaches a similar share of bandwidth and arithmetic."""

import re
from enum import StrEnum

from g4run.hardware.machine import Gpu, GpuKind, Machine


class DeviceClass(StrEnum):
    """The class that a device is calibrated as."""

    NVIDIA = "nvidia"  # discrete, Turing and later
    PASCAL = "pascal"  # NVIDIA before tensor cores
    AMD = "amd"  # discrete
    APPLE_M1 = "apple_m1"
    APPLE = "apple"  # M2 and later
    GB10 = "gb10"  # DGX Spark
    INTEGRATED = "integrated"
    OTHER_GPU = "other_gpu"
    X86 = "x86"
    X86_512 = "x86_512"  # with 512-bit dot products: AVX-512 VNNI
    ARM = "arm"


_GB10 = re.compile(r"\bGB10\b|DGX Spark", re.IGNORECASE)
_APPLE_M1 = re.compile(r"\bM1\b")
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
_AMD = re.compile(r"AMD|Radeon|\bRX\b|Instinct|\bMI\d+|\bPRO [RVW]\d", re.IGNORECASE)


def class_of_gpu(gpu: Gpu) -> DeviceClass:
    """Return the class of a GPU by its name and kind."""
    if _GB10.search(gpu.name):
        return DeviceClass.GB10
    if gpu.kind is GpuKind.UNIFIED and _APPLE.search(gpu.name):
        return DeviceClass.APPLE_M1 if _APPLE_M1.search(gpu.name) else DeviceClass.APPLE
    if gpu.kind is not GpuKind.DISCRETE:
        return DeviceClass.INTEGRATED
    if _OTHER.search(gpu.name):
        return DeviceClass.OTHER_GPU
    if _PASCAL.search(gpu.name):
        return DeviceClass.PASCAL
    if _NVIDIA.search(gpu.name):
        return DeviceClass.NVIDIA
    return DeviceClass.AMD if _AMD.search(gpu.name) else DeviceClass.OTHER_GPU


def class_of_processors(machine: Machine) -> DeviceClass:
    """Return the class of the processors by their architecture and instruction sets."""
    if machine.platform.architecture.lower().startswith(("arm", "aarch")):
        return DeviceClass.ARM
    has_wide_dot_products = "avx512_vnni" in machine.processors.instruction_sets
    return DeviceClass.X86_512 if has_wide_dot_products else DeviceClass.X86
