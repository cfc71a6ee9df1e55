"""Determine how much memory this process may use: the machine's, within the container's limit.

The kernel's file cache counts as available, also within a container's limit, because the kernel frees it on demand.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from g4run.hardware.control_groups import ControlGroup, control_groups, read_number, read_text
from g4run.hardware.figures import Count, PositiveCount


class Memory(msgspec.Struct, frozen=True):
    """Main memory in bytes; `limit_bytes` is the container's limit if it is below the total."""

    total_bytes: PositiveCount
    available_bytes: Count
    limit_bytes: Count | None

    @property
    def usable_bytes(self) -> int:
        """Memory for this process if nothing else ran."""
        return self.total_bytes if self.limit_bytes is None else min(self.total_bytes, self.limit_bytes)


def inspect_memory(root: Path = Path("/")) -> Memory:
    """Inspect memory; `root` is the directory that contains /proc and /sys."""
    total, available = _memory_of_proc(root) or _memory_of_psutil()
    limits = tuple(_limits(root))
    tightest = min((limit for limit, _ in limits), default=total)
    return Memory(
        total_bytes=total,
        available_bytes=max(0, min([available, *(left for _, left in limits)])),
        limit_bytes=tightest if tightest < total else None,
    )


def _memory_of_proc(root: Path) -> tuple[int, int] | None:
    """Return total and available bytes; None without /proc."""
    numbers = _numbers((read_text(root / "proc/meminfo") or "").replace(":", ""))
    if "MemTotal" not in numbers:
        return None
    without = sum(numbers.get(key, 0) for key in ("MemFree", "Buffers", "Cached"))  # before Linux 3.14
    return numbers["MemTotal"] * 1024, numbers.get("MemAvailable", without) * 1024


def _memory_of_psutil() -> tuple[int, int]:
    import psutil  # noqa: PLC0415 - takes 10 ms, and Linux does not need it

    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available)


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """Yield each control group's limit, and how much of it is left.

    In version 2, memory.high counts too, because the kernel throttles a group above it.
    """
    for group in control_groups(root, "memory"):
        is_new = group.version == 2
        names = ("memory.max", "memory.high") if is_new else ("memory.limit_in_bytes",)  # near 2^63 without a limit
        numbers = [number for name in names if (number := read_number(group.directory / name)) is not None]
        if numbers:
            used = _used(group, "memory.current", "") if is_new else _used(group, "memory.usage_in_bytes", "total_")
            yield min(numbers), min(numbers) - used


def _used(group: ControlGroup, usage: str, prefix: str) -> int:
    """Return the memory that the group uses, without its file cache."""
    statistics = _numbers(read_text(group.directory / "memory.stat") or "")
    files = sum(statistics.get(f"{prefix}{key}", 0) for key in ("inactive_file", "active_file"))
    return max(0, (read_number(group.directory / usage) or 0) - files)


def _numbers(text: str) -> dict[str, int]:
    """Parse lines of a key and a number."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isascii() and row[1].isdigit()}
