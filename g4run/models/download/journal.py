"""The journal beside a partial file: which ranges of it are there, whatever happened to the process that wrote them.

One line an event, each complete in itself and closed by a checksum that covers the file's identity too; now and then,
and at every start, it is written anew, in one step:

    g4run-journal 1 SIZE ETAG CHECKSUM
    written START END BOOT CHECKSUM      the range was handed to the operating system
    safe START END - CHECKSUM            the range is on the disk itself

A process that is killed loses nothing that it had written; a machine that loses its power does. So `written` counts
only in the boot that wrote it, `safe` always. A line that is torn, damaged or another file's is not there.
"""

import contextlib
import errno
import os
import re
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from g4run.disk import sync_to_disk
from g4run.models.download.boot import boot_identity
from g4run.models.download.ranges import Range, Ranges

_MAGIC = "g4run-journal 1"
_LONGEST_JOURNAL_BYTES = 64 * 2**20  # 60 GB in blocks of 1 MiB make about 3 MB of lines
# Numbers are bounded before they are read: int() raises ValueError for more than 4,300 digits.
_HEADER = re.compile(rf"{_MAGIC} (\d{{1,18}}) (\S*) [0-9a-f]{{8}}\n", re.ASCII)
_LINE = re.compile(r"(written|safe) (\d{1,18}) (\d{1,18}) (\S+) [0-9a-f]{8}\n", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which content a partial file is a part of."""

    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a journal says, for the boot that reads it."""

    identity: Identity
    present: tuple[Range, ...]
    safe: tuple[Range, ...]


class Journal:
    """An open journal; every method may be called from any thread. Raises OSError as the file system does."""

    def __init__(self, path: Path, identity: Identity, safe: Iterable[Range], written: Iterable[Range]) -> None:
        """Write the journal anew, in one step, with these ranges in it."""
        self.path = path
        self._identity = identity
        self._boot = boot_identity()
        self._lock = threading.Lock()
        self._written = Ranges(written)
        self._descriptor = -1
        self._replace(safe)

    def written(self, start: int, end: int) -> None:
        """Record that a range was handed to the operating system."""
        line = self._line("written", start, end, self._boot)
        with self._lock:
            if self._descriptor < 0:
                return
            self._written.add(start, end)
            # A line that a full disk tears ends the transfer, and every later session writes the journal anew.
            if os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def safe(self, ranges: Iterable[Range]) -> None:
        """Record that these ranges, and no others for certain, are on the disk itself; the journal is short again."""
        with self._lock:
            if self._descriptor >= 0:
                self._replace(ranges)

    def forget_all_but(self, ranges: Iterable[Range]) -> None:
        """Trust nothing but these ranges from now on: the system could not put the others on the disk."""
        with self._lock:
            self._written = Ranges()
            self._replace(ranges)

    def close(self) -> None:
        """Close the file; what is recorded afterwards is dropped."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _line(self, kind: str, start: int, end: int, boot: str) -> bytes:
        return _render_line(self._identity, f"{kind} {start} {end} {boot}")

    def _replace(self, safe: Iterable[Range]) -> None:
        lines = [_render_line(self._identity, _header(self._identity))]
        lines += [self._line("safe", start, end, "-") for start, end in safe]
        lines += [self._line("written", start, end, self._boot) for start, end in self._written]
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("wb") as file:
            file.write(b"".join(lines))
            file.flush()
            sync_to_disk(file.fileno())
        self._close()  # Windows replaces no open file
        fresh.replace(self.path)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))


def read_journal(path: Path) -> Recorded | None:
    """What the journal at a path says, or None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_JOURNAL_BYTES)
    except FileNotFoundError:
        return None
    return parse_journal(content, boot_identity())


def remove_journal(path: Path) -> None:
    """Remove a journal, and what is left of one that was being replaced."""
    for name in (path.name, path.name + ".new"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(name).unlink()


def parse_journal(content: bytes, boot: str) -> Recorded | None:
    """What a journal's bytes say in this boot; whatever is damaged in them is left out."""
    first, _, rest = content.partition(b"\n")
    identity = _parse_header(first + b"\n")
    if identity is None:
        return None
    present, safe = Ranges(), Ranges()
    for raw in rest.splitlines(keepends=True):
        line = _LINE.fullmatch(raw.decode("ascii", "replace"))
        if line is None or raw != _render_line(identity, " ".join(line.groups())):
            continue
        kind, start, end = line[1], int(line[2]), int(line[3])
        if kind == "safe":
            safe.add(start, end)
        if kind == "safe" or line[4] == boot:
            present.add(start, end)
    return Recorded(identity, tuple(present), tuple(safe))


def _header(identity: Identity) -> str:
    return f"{_MAGIC} {identity.size_bytes} {quote(identity.etag, safe='')}"


def _parse_header(line: bytes) -> Identity | None:
    fields = _HEADER.fullmatch(line.decode("ascii", "replace"))
    if fields is None:
        return None
    identity = Identity(int(fields[1]), unquote(fields[2]))
    return identity if line == _render_line(identity, _header(identity)) else None


def _render_line(identity: Identity, text: str) -> bytes:
    seed = zlib.crc32(_header(identity).encode("ascii"))
    return f"{text} {zlib.crc32(text.encode('ascii', 'replace'), seed):08x}\n".encode("ascii", "replace")
