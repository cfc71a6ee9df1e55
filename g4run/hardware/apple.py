"""Inspect a Mac through sysctl, vm_stat and ioreg."""

import re
from collections.abc import Mapping
from typing import Final

from g4run.hardware.gpus.gpus import Card, Vendor
from g4run.hardware.instruction_sets import find_instruction_sets_of_mac
from g4run.hardware.machine import GpuKind
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.hardware.system import System

_GIB: Final = 1 << 30
# recommendedMaxWorkingSetSize as users report it: two thirds of memory up to 36 GB, three quarters above; the newest
# systems allow more on large machines (107.5 of 128 GiB: antirez/ds4#893). A Metal build reports it exactly.
_SMALL_MAC_BYTES: Final = 36 * _GIB


def read_sysctl(system: System) -> dict[str, str]:
    """Return the kernel's values under hw, machdep.cpu and iogpu."""
    lines = (system.run(("sysctl", "hw", "machdep.cpu", "iogpu")) or "").splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def inspect_mac_processors(values: Mapping[str, str]) -> Processors:
    """Return the cores of both kinds; llama.cpp uses the fast ones (common/common.cpp: common_cpu_get_num_math)."""
    cores = _number(values, "hw.physicalcpu") or 1
    return Processors(
        physical_cores=cores,
        quota=None,
        model=values.get("machdep.cpu.brand_string", ""),
        logical_processors=_number(values, "hw.logicalcpu") or cores,
        installed_cores=cores,
        performance_cores=_number(values, "hw.perflevel0.physicalcpu") or None,
        instruction_sets=find_instruction_sets_of_mac(values.items()),
    )


def inspect_mac_memory(system: System, values: Mapping[str, str]) -> Memory:
    """Return the memory; as in Activity Monitor and psutil, free and inactive pages are available."""
    text = system.run(("vm_stat",)) or ""
    size = re.search(r"page size of (\d+) bytes", text)
    pages = sum(
        int(count[1])
        for kind in ("free", "inactive", "speculative")
        if (count := re.search(rf"^Pages {kind}:\s+(\d+)\.", text, re.MULTILINE))
    )
    total = _number(values, "hw.memsize")
    return Memory(total, min(total, pages * int(size[1]) if size else 0), None)


def find_mac_card(system: System, values: Mapping[str, str], memory: Memory) -> tuple[Card, ...]:
    """Return the GPU of a Mac with Apple silicon: it shares all memory, and Metal may use part of it."""
    name = values.get("machdep.cpu.brand_string", "")
    if not name.startswith("Apple"):
        return ()
    limit = working_set_bytes(memory.total_bytes, _number(values, "iogpu.wired_limit_mb"))
    cores = re.search(
        r'"gpu-core-count"\s*=\s*(\d+)', system.run(("ioreg", "-r", "-d", "1", "-c", "AGXAccelerator")) or ""
    )
    nominal = f"{name} {cores[1]}-core" if cores else name
    return (Card(Vendor.APPLE, name, GpuKind.UNIFIED, limit, memory.available_bytes, nominal_name=nominal),)


def working_set_bytes(total_bytes: int, wired_limit_mb: int) -> int:
    """Return how much Metal lets a process keep resident; iogpu.wired_limit_mb overrides the default."""
    if wired_limit_mb:
        return min(total_bytes, wired_limit_mb << 20)
    return total_bytes * 2 // 3 if total_bytes <= _SMALL_MAC_BYTES else total_bytes * 3 // 4


def _number(values: Mapping[str, str], key: str) -> int:
    text = values.get(key, "")
    return int(text) if text.isascii() and text.isdigit() else 0
