"""Which files of the cache came by pulls that have not ended: until a name's record says so, nothing else tells.

A pull that is stopped between two files leaves the first one in the cache, where it looks like any other program's. So
each file is marked before it gets its place there: `<data>/downloads/<sha256>` holds the file's time of modification,
which renaming keeps, and by which another program's later file of the same content is told from ours.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from g4run.files import write_atomically

DOWNLOADS = "downloads"  # below the data directory


class Marks:
    """The marks of one data directory."""

    def __init__(self, data_directory: Path) -> None:
        self._directory = data_directory / DOWNLOADS

    def set(self, sha256: str, path: Path) -> None:
        """Mark a file that is about to be moved into the cache. Raises NotWritable and DiskFull."""
        write_atomically(self._directory / sha256, _time_of(path).encode("ascii"))

    def has(self, sha256: str, path: Path) -> bool:
        """Whether a file of the cache is one that was marked."""
        with suppress(OSError, ValueError):
            return (self._directory / sha256).read_text("ascii") == _time_of(path)
        return False

    def digests(self) -> frozenset[str]:
        """The sha256 of all files that are marked."""
        with suppress(OSError):
            return frozenset(path.name for path in self._directory.iterdir())
        return frozenset()

    def clear(self, digests: Iterable[str]) -> None:
        """Remove the marks of files that a record names now, or that are gone; one that stays does no harm."""
        with suppress(OSError):
            for sha256 in digests:
                (self._directory / sha256).unlink(missing_ok=True)
            self._directory.rmdir()


def _time_of(path: Path) -> str:
    return str(path.stat().st_mtime_ns)
