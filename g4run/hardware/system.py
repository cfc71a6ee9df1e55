"""Everything that the detectors read from a machine: files, output of programs, environment.

Tests pass a System with recorded files and output.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from g4run.hardware.control_groups import read_text
from g4run.hardware.machine import Disk, Platform
from g4run.hardware.processors import allowed_processors

ENGINE_PACKAGE: Final = "llama-cpp-python"
_TIMEOUT_SECONDS: Final = 5.0  # nvidia-smi takes 2 to 3 if no process keeps the driver loaded
_SYSTEMS: Final = {"Darwin": "macOS"}
_ARCHITECTURES: Final = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}
_CONTAINER_FILES: Final = (".dockerenv", "run/.containerenv", "run/systemd/container")
_CONTAINER_GROUPS: Final = ("docker", "kubepods", "lxc", "containerd", "libpod")


class System(msgspec.Struct, frozen=True):
    """A machine to inspect. `root` contains /proc and /sys; `run` returns None if a program fails or is missing.

    `allowed_processors` is the affinity, None if the system has none. `engine_version` is llama-cpp-python's.
    """

    platform: Platform
    root: Path
    environment: Mapping[str, str]
    allowed_processors: frozenset[int] | None
    run: Callable[[Sequence[str]], str | None]
    find_disk: Callable[[Path], Disk | None]
    engine_version: Callable[[], str]


def local_system(environment: Mapping[str, str] = os.environ) -> System:
    """Return the machine that this process runs on."""
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
    """Return the platform; `system` and `architecture` are what Python's `platform` calls them."""
    kernel = read_text(root / "proc/sys/kernel/osrelease") or ""
    return Platform(
        system=_SYSTEMS.get(system, system),
        architecture=_ARCHITECTURES.get(architecture.lower(), architecture),
        is_wsl="microsoft" in kernel.lower(),
        is_container=_is_container(root),
    )


def run_program(command: Sequence[str]) -> str | None:
    """Return a program's output; None if it is missing, fails, or takes too long."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def find_disk(path: Path) -> Disk | None:
    """Return the file system of a directory, which may not exist yet."""
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
    """Return the version of llama-cpp-python without importing it; empty if it is not installed as a package."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes 6 ms, and is rarely needed

    try:
        return version(ENGINE_PACKAGE)
    except PackageNotFoundError:
        return ""
