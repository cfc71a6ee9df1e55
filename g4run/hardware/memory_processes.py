"""Find the other programs that use the most main memory."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from g4run.hardware.control_groups import read_text
from g4run.hardware.machine import GpuProcess
from g4run.hardware.system import System

_MIN_BYTES: Final = 512 << 20  # a smaller one is not worth closing for a model of several GB
_MAX_COUNT: Final = 5


def find_memory_processes(system: System) -> tuple[GpuProcess, ...]:
    """Return the largest, largest first; none on Windows, where the query takes seconds."""
    found = _of_mac(system) if system.platform.system == "macOS" else _of_proc(system.root)
    others = [process for process in found if process.pid != os.getpid()]
    return tuple(sorted(others, key=lambda process: (-process.used_bytes, process.pid))[:_MAX_COUNT])


def process_name(root: Path, pid: int) -> str:
    """Return the kernel's name of a process, or its number."""
    return read_text(root / f"proc/{pid}/comm") or f"process {pid}"


def _of_proc(root: Path) -> Iterator[GpuProcess]:
    """Count anonymous memory only, because the kernel frees file pages on demand (proc(5), RssAnon)."""
    for pid in _process_numbers(root / "proc"):
        used = _anonymous_bytes(read_text(root / f"proc/{pid}/status") or "")
        if used >= _MIN_BYTES:
            yield GpuProcess(pid, process_name(root, pid), used)


def _process_numbers(directory: Path) -> list[int]:
    try:
        return [int(name) for name in os.listdir(directory) if name.isdigit()]  # noqa: PTH208 - 10 times faster
    except OSError:
        return []


def _anonymous_bytes(status: str) -> int:
    _, _, rest = status.partition("\nRssAnon:")
    fields = rest.split(None, 1)
    return int(fields[0]) * 1024 if fields and fields[0].isdigit() else 0


def _of_mac(system: System) -> Iterable[GpuProcess]:
    """Parse `ps`, which counts in KiB on macOS."""
    for line in (system.run(("ps", "-axo", "pid=,rss=,comm=")) or "").splitlines():
        fields = line.split(None, 2)
        if len(fields) == 3 and fields[0].isdigit() and fields[1].isdigit():
            used = int(fields[1]) * 1024
            if used >= _MIN_BYTES:
                yield GpuProcess(int(fields[0]), fields[2].rpartition("/")[2], used)
