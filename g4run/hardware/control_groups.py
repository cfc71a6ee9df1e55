"""Find this process's Linux control groups, which hold a container's limits; and read the kernel's files."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec


class ControlGroup(msgspec.Struct, frozen=True):
    """The directory of a group, in version 1 or 2 of the interface; it may not exist."""

    directory: Path
    version: int


def control_groups(root: Path, controller: str) -> Iterator[ControlGroup]:
    """Yield this process's groups for a controller, "cpu" or "memory", each followed by its parents.

    A container may see its own group as the root, under the host's path, so every level counts. `root` is the directory
    that contains /proc and /sys.
    """
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            yield from _each_level(root / "sys/fs/cgroup", path, 2)
        elif controller in controllers.split(","):
            for mount in dict.fromkeys((controllers, controller)):
                yield from _each_level(root / "sys/fs/cgroup" / mount, path, 1)


def _each_level(mount: Path, path: str, version: int) -> Iterator[ControlGroup]:
    group = PurePosixPath(path.lstrip("/"))
    if ".." in group.parts:  # outside the group that the container sees as the root
        group = PurePosixPath()
    for level in (group, *group.parents):
        yield ControlGroup(mount / level, version)


def read_text(path: Path) -> str | None:
    """Return the stripped text of a file in /proc or /sys; None if it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def read_number(path: Path) -> int | None:
    """Return the number in a file in /proc or /sys; None if there is none."""
    text = read_text(path) or ""
    return int(text) if text.isascii() and text.isdigit() else None
