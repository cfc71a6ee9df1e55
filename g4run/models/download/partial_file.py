"""The partial file of a download, and its journal: the list of ranges that were written.

The journal is text: `g4run 2 SIZE ETAG`, then one line `START END` per range, appended after the bytes were handed to
the operating system, so kill -9 loses nothing that was recorded. Each line starts with its line break: a torn line
names fewer bytes than were written, never others. After a power failure, a line may be there without its bytes; the
digest of the whole file is then wrong, and the file is downloaded again.
"""

import os
import re
import threading
from contextlib import suppress
from io import FileIO
from pathlib import Path

from g4run.files import CACHE, sync_to_disk, translate_write_errors
from g4run.models.download.segments import Range, Ranges

_HEADER = "g4run 2 {size_bytes} {etag}"
_LINE = re.compile(r"(\d{1,18}) (\d{1,18})", re.ASCII)  # int() raises ValueError for more than 4,300 digits
_SIZE = re.compile(r"g4run 2 (\d{1,18}) ", re.ASCII)
_LONGEST_JOURNAL_BYTES = 64 * 2**20  # rewritten at each sync; 60 GB in blocks of 1 MiB are 1.5 MB of lines


class PartialFile:
    """A file that has its final size from the start, with holes for what is missing; used by any thread.

    `kept` are the ranges that were there when it was opened. Every method raises DiskFull and NotWritable.
    """

    def __init__(self, path: Path, size_bytes: int, etag: str, *, is_resumed: bool) -> None:
        """Open what an earlier run left of this content, or start over; resume only if the digest will be checked.

        A file of the right size without a journal counts as complete until it is hashed: its download had just ended.
        """
        self.path = path
        self._size_bytes = size_bytes
        self._header = _HEADER.format(size_bytes=size_bytes, etag=etag)
        # File systems let one thread at a time write to a file; waiting in the kernel cost a third of the speed.
        self._lock = threading.Lock()
        with translate_write_errors(path, CACHE, size_bytes):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.kept = self._find_kept() if is_resumed else ()
            self._written, self._synced = Ranges(self.kept), self.kept
            self._journal = self._write_journal()  # first, so that it never describes an older partial file
            try:
                self._file = FileIO(path, "r+" if self.kept else "w+")
                self._file.truncate(size_bytes)
            except OSError:
                self._journal.close()
                raise

    def write(self, start: int, data: memoryview) -> None:
        """Write data at an offset, and record it in the journal."""
        end = start + len(data)
        with translate_write_errors(self.path, CACHE, self._size_bytes), self._lock:
            self._file.seek(start)
            _write_all(self._file, data)
            _write_all(self._journal, memoryview(f"\n{start} {end}".encode("ascii")))
            self._written.add(start, end)

    def sync(self) -> None:
        """Put what was written on the disk, and shorten the journal."""
        with self._lock:
            ranges = tuple(self._written)
        with translate_write_errors(self.path, CACHE, self._size_bytes):
            try:
                sync_to_disk(self._file.fileno())
                self._synced = ranges
            except OSError:  # the system may have dropped the unsynced data
                with self._lock:
                    self._written = Ranges(self._synced)
                raise
            finally:
                with self._lock:
                    if not self._journal.closed:
                        self._journal = self._write_journal(self._journal)

    def is_in_place(self) -> bool:
        """Whether the path is still the open file; `hf cache prune` removes partial files."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        """Close both files and keep them; a later write raises ValueError."""
        with self._lock:
            self._journal.close()
            self._file.close()

    def finish(self) -> None:
        """Close the complete file and remove its journal."""
        self.close()
        for path in (journal_path(self.path), _fresh_journal_path(self.path)):
            path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Close and remove both files."""
        self.finish()
        self.path.unlink(missing_ok=True)

    def _find_kept(self) -> tuple[Range, ...]:
        if not self.path.exists() or self.path.stat().st_size != self._size_bytes:
            return ()
        content = _read_journal(self.path)
        if content is None:
            return ((0, self._size_bytes),)
        header, *lines = content.split("\n")
        return _parse_ranges(lines, self._size_bytes) if header == self._header else ()

    def _write_journal(self, old: FileIO | None = None) -> FileIO:
        """Replace the journal atomically, and open it for appending."""
        lines = [self._header, *(f"{start} {end}" for start, end in self._written)]
        fresh, path = _fresh_journal_path(self.path), journal_path(self.path)
        fresh.write_bytes("\n".join(lines).encode("ascii", "replace"))
        if old is not None:
            old.close()  # Windows cannot replace an open file
        fresh.replace(path)
        return FileIO(path, "a")


def journal_path(partial: Path) -> Path:
    """Return the path of a partial file's journal."""
    return partial.with_name(partial.name.removesuffix(".incomplete") + ".journal")


def present_bytes(partial: Path) -> int:
    """Return how many bytes need not be downloaded again; 0 if nothing can be read."""
    with suppress(OSError):
        header, *lines = (_read_journal(partial) or "").split("\n")
        size = _SIZE.match(header)
        if size and partial.stat().st_size == int(size[1]):
            return sum(end - start for start, end in _parse_ranges(lines, int(size[1])))
    return 0


def _parse_ranges(lines: list[str], size_bytes: int) -> tuple[Range, ...]:
    """Return the ranges that lines name within a file; ignore damaged lines."""
    found = (line for text in lines if (line := _LINE.fullmatch(text)))
    pairs = ((int(line[1]), int(line[2])) for line in found)
    return tuple(Ranges((start, end) for start, end in pairs if start < end <= size_bytes))


def _read_journal(partial: Path) -> str | None:
    try:
        with journal_path(partial).open("rb") as file:
            return file.read(_LONGEST_JOURNAL_BYTES).decode("ascii", "replace")
    except FileNotFoundError:
        return None


def _fresh_journal_path(partial: Path) -> Path:
    path = journal_path(partial)
    return path.with_name(f"{path.name}.new")


def _write_all(file: FileIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]
