"""The one way in which the detectors look at a machine: its files, what its own programs print, its environment.

Tests bring another System, whose files and answers were written down.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from g4run.hardware.control_groups import read_text
from g4run.hardware.machine import Disk, Platform

ENGINE_PACKAGE: Final = "llama-cpp-python"
_PATIENCE_SECONDS: Final = 5.0  # nvidia-smi takes 2 to 3 where no process keeps the driver awake
_SYSTEMS: Final = {"Darwin": "macOS"}
_ARCHITECTURES: Final = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}
_CONTAINER_FILES: Final = (".dockerenv", "run/.containerenv", "run/systemd/container")
_CONTAINER_GROUPS: Final = ("docker", "kubepods", "lxc", "containerd", "libpod")


@dataclass(frozen=True, slots=True)
class System:
    """A machine to look at. `root` is where /proc and /sys lie; `run` gives None where a program fails or is missing.

    `allowed_processors` is what affinity leaves, None where the system has no such thing. `engine_version` is asked for
    the version of llama-cpp-python.
    """

    platform: Platform
    root: Path
    environment: Mapping[str, str]
    allowed_processors: frozenset[int] | None
    run: Callable[[Sequence[str]], str | None]
    find_disk: Callable[[Path], Disk | None]
    engine_version: Callable[[], str]


def local_system(environment: Mapping[str, str] = os.environ) -> System:
    """The machine that this process runs on."""
    return System(
        platform=inspect_platform(platform.system(), platform.machine(), Path("/")),
        root=Path("/"),
        environment=environment,
        allowed_processors=allowed_processors(),
        run=run_program,
        find_disk=find_disk,
        engine_version=engine_version,
    )


def inspect_platform(system: str, architecture: str, root: Path) -> Platform:
    """The system underneath, by the names that Python's `platform` has for it."""
    kernel = read_text(root / "proc/sys/kernel/osrelease") or ""
    return Platform(
        system=_SYSTEMS.get(system, system),
        architecture=_ARCHITECTURES.get(architecture.lower(), architecture),
        is_wsl="microsoft" in kernel.lower(),
        is_container=_is_container(root),
    )


def allowed_processors() -> frozenset[int] | None:
    """The logical processors that this process may run on; None where the system does not say."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def run_program(command: Sequence[str]) -> str | None:
    """What a program prints; None where there is none of that name, it fails, or takes too long."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def find_disk(path: Path) -> Disk | None:
    """The file system that a directory lies on, or will lie on once it is made."""
    existing = next((place for place in (path, *path.parents) if place.exists()), None)
    if existing is None:
        return None
    try:
        usage = shutil.disk_usage(existing)
    except OSError:
        return None
    return Disk(str(path), usage.total, usage.free)


def _is_container(root: Path) -> bool:
    if any((root / name).exists() for name in _CONTAINER_FILES):
        return True
    groups = read_text(root / "proc/1/cgroup") or ""
    return any(name in groups for name in _CONTAINER_GROUPS)


def engine_version() -> str:
    """Release of llama.cpp's bindings, without importing them; empty where they are not installed as a package."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes 6 ms and is seldom asked

    try:
        return version(ENGINE_PACKAGE)
    except PackageNotFoundError:
        return ""
