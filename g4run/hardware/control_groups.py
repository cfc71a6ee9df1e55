"""The control groups of Linux that this process is in: where a container's limits stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """The directory of one group, whose files are those of version 1 or 2; it need not exist."""

    directory: Path
    version: int


def control_groups(root: Path, controller: str) -> Iterator[ControlGroup]:
    """This process's groups for a controller, "cpu" or "memory", each followed by all above it.

    A container may see its own group as the topmost, under a path that is the host's: so every level counts.
    `root` is where /proc and /sys lie.
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
    if ".." in group.parts:  # a group beside the one that the container sees as the topmost
        group = PurePosixPath()
    for level in (group, *group.parents):
        yield ControlGroup(mount / level, version)


def read_text(path: Path) -> str | None:
    """What a file of /proc or /sys says, without the line's end; None where there is none."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
