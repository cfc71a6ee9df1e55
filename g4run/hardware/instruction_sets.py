"""Detect the instruction sets that llama.cpp's CPU kernels use (ggml/src/ggml-cpu)."""

from collections.abc import Iterable
from typing import Final

# Name in /proc/cpuinfo -> our name: the kernel's on x86, the usual one on arm64.
_LINUX: Final = {
    "avx": "avx",
    "avx2": "avx2",
    "fma": "fma",
    "f16c": "f16c",
    "bmi2": "bmi2",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512f",
    "avx512_vbmi": "avx512_vbmi",
    "avx512vbmi": "avx512_vbmi",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
    "asimd": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
}
_ORDER: Final = tuple(dict.fromkeys(_LINUX.values()))
_MACOS: Final = {
    "hw.optional.AdvSIMD": "neon",
    "hw.optional.neon": "neon",
    "hw.optional.arm.FEAT_FP16": "fp16",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_SME": "sme",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.avx512f": "avx512f",
}
# winnt.h: PF_*_INSTRUCTIONS_AVAILABLE
WINDOWS_FEATURES: Final = {39: "avx", 40: "avx2", 41: "avx512f", 19: "neon", 43: "dotprod"}


def find_instruction_sets(information: str) -> tuple[str, ...]:
    """Return those that /proc/cpuinfo lists for the first processor, in a fixed order."""
    for line in information.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return _in_order(_LINUX[word] for word in value.split() if word in _LINUX)
    return ()


def find_instruction_sets_of_mac(values: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return those that sysctl reports as 1 under `hw.optional`."""
    return _in_order(_MACOS[key] for key, value in values if key in _MACOS and value == "1")


def _in_order(found: Iterable[str]) -> tuple[str, ...]:
    names = set(found)
    return tuple(name for name in _ORDER if name in names)
