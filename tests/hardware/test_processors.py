import os
from pathlib import Path

import psutil
import pytest

from g4run.hardware.processors import Processors, inspect_processors


def machine(root: Path, files: dict[str, str], cores: int = 64) -> Path:
    """A file system that describes `cores` cores of two threads each, of which this process may use all."""
    for number in range(2 * cores):
        topology = root / f"sys/devices/system/cpu/cpu{number}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text("0\n")
        (topology / "core_id").write_text(f"{number % cores}\n")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(autouse=True)
def all_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(128)), raising=False)


def test_without_limits_every_physical_core_counts_once(tmp_path: Path) -> None:
    assert inspect_processors(machine(tmp_path, {})) == Processors(
        physical_cores=64, quota=None, logical_processors=128, installed_cores=64
    )


def test_affinity_counts_the_cores_behind_the_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 64, 65, 2})
    assert inspect_processors(machine(tmp_path, {})).threads == 3


def test_cores_of_the_same_number_on_two_sockets_are_two(tmp_path: Path) -> None:
    other_socket = {"sys/devices/system/cpu/cpu1/topology/physical_package_id": "1\n"}
    same_number = {"sys/devices/system/cpu/cpu1/topology/core_id": "0\n"}
    assert inspect_processors(machine(tmp_path, other_socket | same_number)).physical_cores == 65


def test_where_the_system_does_not_tell_its_cores_psutil_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 3)
    assert inspect_processors(tmp_path).physical_cores == 3


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2.0),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
                "sys/fs/cgroup/a/cpu.max": "350000 100000\n",
            },
            3.5,
        ),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/docker/1\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
            },
            1.5,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({"proc/self/cgroup": "garbage\n0::\n", "sys/fs/cgroup/cpu.max": "what"}, None),
    ],
    ids=["v2", "v2 unlimited", "v2 nested", "v2 tighter above", "v1", "v1 unlimited", "garbage"],
)
def test_the_containers_quota_is_read(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    assert inspect_processors(machine(tmp_path, files)).quota == quota


def test_only_fast_cores_compute(tmp_path: Path) -> None:
    found = inspect_processors(machine(tmp_path, {"sys/devices/cpu_core/cpus": "0-7,64-71\n"}))
    assert (found.physical_cores, found.performance_cores, found.threads) == (64, 8, 8)


def test_fast_cores_that_affinity_takes_away_do_not_count(tmp_path: Path) -> None:
    root = machine(tmp_path, {"sys/devices/cpu_core/cpus": "0-7\n"})
    assert inspect_processors(root, frozenset({6, 7, 8, 9})).threads == 2
    assert inspect_processors(root, frozenset({8, 9, 10})).threads == 3


@pytest.mark.parametrize(
    ("cores", "quota", "threads"), [(64, None, 64), (64, 2.0, 2), (64, 3.9, 3), (64, 0.5, 1), (4, 16.0, 4)]
)
def test_threads_stay_within_cores_and_quota(cores: int, quota: float | None, threads: int) -> None:
    assert Processors(cores, quota).threads == threads


def test_a_hypervisor_s_processors_are_told_apart(tmp_path: Path) -> None:
    flags = "processor\t: 0\nflags\t\t: fpu avx2 hypervisor lahf_lm\n"
    assert inspect_processors(machine(tmp_path / "virtual", {"proc/cpuinfo": flags})).are_virtual
    real = flags.replace(" hypervisor", "") + "model name\t: hypervisor\n"
    assert not inspect_processors(machine(tmp_path / "real", {"proc/cpuinfo": real})).are_virtual
