"""Processors that this process may really use: physical cores, within affinity and the container's quota.

llama.cpp is fastest with one thread per physical core; threads beyond a container's quota are throttled, which makes it
many times slower.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from g4run.hardware.control_groups import control_groups, read_text


@dataclass(frozen=True, slots=True)
class Processors:
    """`physical_cores` counts what affinity leaves; `quota` is the container's limit in processors, None for none."""

    physical_cores: int
    quota: float | None

    @property
    def threads(self) -> int:
        """Threads that compute at full speed: never more than cores or quota, at least one."""
        within = self.physical_cores if self.quota is None else min(self.physical_cores, int(self.quota))
        return max(1, within)


def inspect_processors(root: Path = Path("/")) -> Processors:
    """What this process may use. `root` is where /proc and /sys lie (tests bring their own)."""
    cores = _cores_within_affinity(root / "sys/devices/system/cpu")
    return Processors(cores or psutil.cpu_count(logical=False) or os.cpu_count() or 1, _quota(root))


def _cores_within_affinity(directory: Path) -> int:
    """Distinct physical cores among the processors this process may run on; 0 where the system does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return 0
    cores = {_core_of(directory / f"cpu{number}/topology") for number in os.sched_getaffinity(0)}
    return 0 if None in cores else len(cores)


def _core_of(topology: Path) -> tuple[str, str] | None:
    package, core = read_text(topology / "physical_package_id"), read_text(topology / "core_id")
    return None if package is None or core is None else (package, core)


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
