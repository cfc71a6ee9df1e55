"""Determine which processors this process may use: physical cores, within affinity and the container's quota.

llama.cpp is fastest with one thread per physical core. Threads beyond a container's quota are throttled, which makes it
many times slower.
"""

import os
import re
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from g4run.hardware.control_groups import control_groups, read_text
from g4run.hardware.figures import Count, PositiveCount, Rate
from g4run.hardware.instruction_sets import find_instruction_sets

_HYPERVISOR = re.compile(r"^flags\b.*\bhypervisor\b", re.MULTILINE)  # CPUID leaf 1, x86 only

_AMX = "amx_int8"  # what llama.cpp asks of a processor to use AMX (ggml-cpu/amx/amx.cpp)

_Core: TypeAlias = tuple[str, str]  # package and core


class Processors(msgspec.Struct, frozen=True):
    """`physical_cores` and `logical_processors` are those within affinity; `quota` is the container's, in processors.

    `installed_cores` are all physical cores, 0 if unknown. `performance_cores` are the fast ones within affinity, None
    if all cores are alike. `are_virtual` means that a hypervisor provides them, so each may be a hyperthread.
    """

    physical_cores: PositiveCount
    quota: Rate | None
    model: str = ""
    logical_processors: Count = 0
    installed_cores: Count = 0
    performance_cores: Count | None = None
    instruction_sets: tuple[str, ...] = ()
    are_virtual: bool = False

    @property
    def may_use_amx(self) -> bool:
        """False if AMX is known to be missing or to crash; some systems do not report instruction sets."""
        return _AMX in self.instruction_sets or not self.instruction_sets

    def without_amx(self) -> "Processors":
        """Return the processors as llama.cpp sees them without AMX."""
        return replace(self, instruction_sets=tuple(name for name in self.instruction_sets if name != _AMX))

    @property
    def threads(self) -> int:
        """The number of threads to compute with: the fast cores, within the quota; at least one.

        A slow core would keep the fast ones waiting at each barrier (llama.cpp, common/common.cpp:
        common_cpu_get_num_math).
        """
        cores = self.performance_cores or self.physical_cores
        return max(1, cores if self.quota is None else min(cores, int(self.quota)))


def inspect_processors(root: Path = Path("/"), allowed: frozenset[int] | None = None) -> Processors:
    """Inspect processors; `root` is the directory that contains /proc and /sys, `allowed` replaces the affinity."""
    allowed = allowed_processors() if allowed is None else allowed
    directory = root / "sys/devices/system/cpu"
    cores = _cores(directory, allowed or frozenset())
    information = read_text(root / "proc/cpuinfo") or ""
    return Processors(
        physical_cores=cores or _counted_by_psutil(),
        quota=_quota(root),
        model=_model(root, information),
        logical_processors=len(allowed) if allowed else os.cpu_count() or 1,
        installed_cores=_cores(directory, _online(directory)) or cores,
        performance_cores=_performance_cores(root, directory, allowed or frozenset()),
        instruction_sets=find_instruction_sets(information),
        are_virtual=_HYPERVISOR.search(information) is not None,
    )


def allowed_processors() -> frozenset[int] | None:
    """Return the logical processors that this process may run on; None if the system has no affinity."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def parse_processor_list(text: str) -> frozenset[int]:
    """Parse the kernel's list of numbers: "0-3,8" is 0, 1, 2, 3 and 8."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _counted_by_psutil() -> int:
    import psutil  # noqa: PLC0415 - takes 10 ms, and Linux does not need it

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


def _cores(directory: Path, processors: frozenset[int]) -> int:
    """Count the physical cores of some logical processors; 0 if unknown."""
    cores = {_core_of(directory / f"cpu{number}/topology") for number in processors}
    return 0 if None in cores else len(cores)


def _core_of(topology: Path) -> _Core | None:
    package, core = read_text(topology / "physical_package_id"), read_text(topology / "core_id")
    return None if package is None or core is None else (package, core)


def _online(directory: Path) -> frozenset[int]:
    return parse_processor_list(read_text(directory / "online") or "")


def _performance_cores(root: Path, directory: Path, allowed: frozenset[int]) -> int | None:
    """Count the fast cores of Intel's hybrid processors, which have their own directory."""
    fast = parse_processor_list(read_text(root / "sys/devices/cpu_core/cpus") or "")
    return _cores(directory, fast & allowed) or None


def _model(root: Path, information: str) -> str:
    """Return the processor's name, else the board's."""
    for line in information.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return " ".join(value.split())
    boards = (root / name for name in ("proc/device-tree/model", "sys/class/dmi/id/product_name"))
    return next((text.strip("\0") for path in boards if (text := read_text(path))), "")


def _quota(root: Path) -> float | None:
    """Return the tightest CPU quota of this process's control groups."""
    quotas = [
        _quota_v2(group.directory) if group.version == 2 else _quota_v1(group.directory)
        for group in control_groups(root, "cpu")
    ]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_v2(directory: Path) -> float | None:
    fields = (read_text(directory / "cpu.max") or "max").split()
    return _ratio(fields[0], fields[1]) if len(fields) == 2 else None


def _quota_v1(directory: Path) -> float | None:
    return _ratio(read_text(directory / "cpu.cfs_quota_us") or "", read_text(directory / "cpu.cfs_period_us") or "")


def _ratio(quota: str, period: str) -> float | None:
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:  # "max" and -1 mean no limit
        return None
    return int(quota) / int(period)
