"""Processors that this process may really use: physical cores, within affinity and the container's quota.

llama.cpp is fastest with one thread per physical core; threads beyond a container's quota are throttled, which makes it
many times slower.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from g4run.hardware.control_groups import control_groups, read_text
from g4run.hardware.figures import Count, PositiveCount, Rate
from g4run.hardware.instruction_sets import find_instruction_sets

_HYPERVISOR = re.compile(r"^flags\b.*\bhypervisor\b", re.MULTILINE)  # CPUID leaf 1, x86 only

_AMX = "amx_int8"  # what llama.cpp asks of a processor to use AMX (ggml-cpu/amx/amx.cpp)

_Core: TypeAlias = tuple[str, str]  # package and core


@dataclass(frozen=True, slots=True)
class Processors:
    """`physical_cores` counts what affinity leaves; `quota` is the container's limit in processors, None for none.

    `logical_processors` counts what affinity leaves too, `installed_cores` all there are (0: unknown), and
    `performance_cores` the fast ones within affinity where cores are of two kinds, else None. `are_virtual` where a
    hypervisor gives them: each may be a hyperthread.
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
        """False where AMX is known not to be there, or to crash; the instruction sets of some systems are unknown."""
        return _AMX in self.instruction_sets or not self.instruction_sets

    def without_amx(self) -> "Processors":
        """The same processors if llama.cpp leaves AMX alone."""
        return replace(self, instruction_sets=tuple(name for name in self.instruction_sets if name != _AMX))

    @property
    def threads(self) -> int:
        """Threads that compute at full speed: never more than fast cores or quota, at least one.

        A slow core would keep the fast ones waiting at each barrier (llama.cpp, common/common.cpp:
        common_cpu_get_num_math).
        """
        cores = self.performance_cores or self.physical_cores
        return max(1, cores if self.quota is None else min(cores, int(self.quota)))


def inspect_processors(root: Path = Path("/"), allowed: frozenset[int] | None = None) -> Processors:
    """What this process may use. `root` is where /proc and /sys lie; `allowed`, if not what affinity says now."""
    if allowed is None and hasattr(os, "sched_getaffinity"):
        allowed = frozenset(os.sched_getaffinity(0))
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


def parse_processor_list(text: str) -> frozenset[int]:
    """Numbers as the kernel lists them: "0-3,8" is 0, 1, 2, 3 and 8."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _counted_by_psutil() -> int:
    import psutil  # noqa: PLC0415 - 10 ms that Linux need not pay

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


def _cores(directory: Path, processors: frozenset[int]) -> int:
    """Distinct physical cores behind some logical processors; 0 where the system does not say."""
    cores = {_core_of(directory / f"cpu{number}/topology") for number in processors}
    return 0 if None in cores else len(cores)


def _core_of(topology: Path) -> _Core | None:
    package, core = read_text(topology / "physical_package_id"), read_text(topology / "core_id")
    return None if package is None or core is None else (package, core)


def _online(directory: Path) -> frozenset[int]:
    return parse_processor_list(read_text(directory / "online") or "")


def _performance_cores(root: Path, directory: Path, allowed: frozenset[int]) -> int | None:
    """Intel's hybrid processors name their fast ones in a directory of their own."""
    fast = parse_processor_list(read_text(root / "sys/devices/cpu_core/cpus") or "")
    return _cores(directory, fast & allowed) or None


def _model(root: Path, information: str) -> str:
    """The processor's name; boards whose processor has none give theirs."""
    for line in information.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return " ".join(value.split())
    boards = (root / name for name in ("proc/device-tree/model", "sys/class/dmi/id/product_name"))
    return next((text.strip("\0") for path in boards if (text := read_text(path))), "")


def _quota(root: Path) -> float | None:
    """The tightest CPU quota of this process's control group and all above it (cgroup v2, then v1)."""
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
