"""Memory that this process may really use: the machine's, within what its container allows.

What the kernel keeps of files counts as available, inside a container's limit as outside: it is given up on demand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from g4run.hardware.control_groups import ControlGroup, control_groups, read_text
from g4run.hardware.figures import Count, PositiveCount


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory in bytes; `limit_bytes` is the container's, where it allows less than the machine has."""

    total_bytes: PositiveCount
    available_bytes: Count
    limit_bytes: Count | None

    @property
    def usable_bytes(self) -> int:
        """What this process could have if nothing else ran."""
        return self.total_bytes if self.limit_bytes is None else min(self.total_bytes, self.limit_bytes)


@dataclass(frozen=True, slots=True)
class _Limit:
    """What one control group allows, and how much of that is left."""

    limit_bytes: int
    available_bytes: int


def inspect_memory(root: Path = Path("/")) -> Memory:
    """What this process may use. `root` is where /proc and /sys lie (tests bring their own)."""
    total, available = _memory_of_proc(root) or _memory_of_psutil()
    limits = tuple(_limits(root))
    tightest = min((limit.limit_bytes for limit in limits), default=total)
    return Memory(
        total_bytes=total,
        available_bytes=max(0, min([available, *(limit.available_bytes for limit in limits)])),
        limit_bytes=tightest if tightest < total else None,
    )


def _memory_of_proc(root: Path) -> tuple[int, int] | None:
    """Total and available bytes; None where there is no /proc."""
    numbers = _numbers((read_text(root / "proc/meminfo") or "").replace(":", ""))
    if "MemTotal" not in numbers:
        return None
    without = sum(numbers.get(key, 0) for key in ("MemFree", "Buffers", "Cached"))  # before Linux 3.14
    return numbers["MemTotal"] * 1024, numbers.get("MemAvailable", without) * 1024


def _memory_of_psutil() -> tuple[int, int]:
    import psutil  # noqa: PLC0415 - 10 ms that Linux need not pay

    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available)


def _limits(root: Path) -> Iterator[_Limit]:
    for group in control_groups(root, "memory"):
        limit = _limit_v2(group) if group.version == 2 else _limit_v1(group)
        if limit:
            yield limit


def _limit_v2(group: ControlGroup) -> _Limit | None:
    """Above memory.high the kernel slows a group down until it is of no use, so that is a limit as well."""
    limits = [limit for name in ("memory.max", "memory.high") if (limit := _number(group, name)) is not None]
    if not limits:
        return None
    return _Limit(min(limits), min(limits) - _used(group, "memory.current", ""))


def _limit_v1(group: ControlGroup) -> _Limit | None:
    limit = _number(group, "memory.limit_in_bytes")  # without a limit, a number near 2^63
    return None if limit is None else _Limit(limit, limit - _used(group, "memory.usage_in_bytes", "total_"))


def _used(group: ControlGroup, usage: str, prefix: str) -> int:
    """What the group has in use, files that are kept in memory excepted."""
    statistics = _numbers(read_text(group.directory / "memory.stat") or "")
    files = sum(statistics.get(f"{prefix}{key}", 0) for key in ("inactive_file", "active_file"))
    return max(0, (_number(group, usage) or 0) - files)


def _number(group: ControlGroup, name: str) -> int | None:
    text = read_text(group.directory / name) or ""
    return int(text) if text.isascii() and text.isdigit() else None  # "max" means no limit


def _numbers(text: str) -> dict[str, int]:
    """Lines of a key and a number, as the kernel writes them."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isascii() and row[1].isdigit()}
