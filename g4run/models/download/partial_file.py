"""The unfinished file of a download, and the journal beside it that says which ranges were written.

The journal is text: `g4run 2 SIZE ETAG`, then a line `START END` for each range, appended after its bytes were handed
to the operating system, so that kill -9 loses nothing that was recorded. A line begins with its line break: a torn one
names fewer bytes than were written, never others. After a power failure a line may be there without its bytes; then
the digest of the whole file is wrong, and it is downloaded again.
"""

import os
import re
import threading
from contextlib import suppress
from io import FileIO
from pathlib import Path

from g4run.files import CACHE, explained, sync_to_disk
from g4run.models.download.segments import Range, Ranges

_HEADER = "g4run 2 {size_bytes} {etag}"
_LINE = re.compile(r"(\d{1,18}) (\d{1,18})", re.ASCII)  # int() raises ValueError for more than 4,300 digits
_SIZE = re.compile(r"g4run 2 (\d{1,18}) ", re.ASCII)
_LONGEST_JOURNAL_BYTES = 64 * 2**20  # it is written anew at each sync; 60 GB in blocks of 1 MiB make 1.5 MB of lines


class PartialFile:
    """A file of its final size from the start, with holes where nothing came yet; used by any thread.

    `kept` are the ranges that were there when it was opened. Every method raises DiskFull and NotWritable.
    """

    def __init__(self, path: Path, size_bytes: int, etag: str, *, is_resumed: bool) -> None:
        """Open what is there of this content, or begin anew; only who knows the file's digest may resume.

        A file of the right size without a journal counts as whole until it is hashed: its download had just ended.
        """
        self.path = path
        self._size_bytes = size_bytes
        self._header = _HEADER.format(size_bytes=size_bytes, etag=etag)
        # A file system lets one thread at a time write to a file; waiting in the kernel cost a third of the speed.
        self._lock = threading.Lock()
        with explained(path, CACHE, size_bytes):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.kept = self._find_kept() if is_resumed else ()
            self._written, self._synced = Ranges(self.kept), self.kept
            self._journal = self._write_journal()  # first: no journal ever speaks of an older partial file
            try:
                self._file = FileIO(path, "r+" if self.kept else "w+")
                self._file.truncate(size_bytes)
            except OSError:
                self._journal.close()
                raise

    def write(self, start: int, data: memoryview) -> None:
        """Write at a place, and record it."""
        end = start + len(data)
        with explained(self.path, CACHE, self._size_bytes), self._lock:
            self._file.seek(start)
            _write_all(self._file, data)
            _write_all(self._journal, memoryview(f"\n{start} {end}".encode("ascii")))
            self._written.add(start, end)

    def sync(self) -> None:
        """Put on the disk what was written so far, and shorten the journal."""
        with self._lock:
            ranges = tuple(self._written)
        with explained(self.path, CACHE, self._size_bytes):
            try:
                sync_to_disk(self._file.fileno())
            except OSError:  # the system may have dropped what it could not write
                with self._lock:
                    self._written = Ranges(self._synced)
                    self._replace_journal()
                raise
            self._synced = ranges
            with self._lock:
                self._replace_journal()

    def is_in_place(self) -> bool:
        """Whether the path still leads to the file that is open: `hf cache prune` removes partial files."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        """Close both files, which stay; whoever writes later gets a ValueError."""
        with self._lock:
            self._journal.close()
            self._file.close()

    def finish(self) -> None:
        """Close, and remove the journal: the file is whole."""
        self.close()
        for path in (journal_path(self.path), _fresh_journal_path(self.path)):
            path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Close, and remove both."""
        self.finish()
        self.path.unlink(missing_ok=True)

    def _find_kept(self) -> tuple[Range, ...]:
        if _size_of(self.path) != self._size_bytes:
            return ()
        content = _read_journal(self.path)
        if content is None:
            return ((0, self._size_bytes),)
        header, *lines = content.split("\n")
        return _parse_ranges(lines, self._size_bytes) if header == self._header else ()

    def _write_journal(self) -> FileIO:
        """Write the journal anew, in one step, and open it for appending."""
        lines = [self._header, *(f"{start} {end}" for start, end in self._written)]
        fresh, path = _fresh_journal_path(self.path), journal_path(self.path)
        fresh.write_bytes("\n".join(lines).encode("ascii", "replace"))
        fresh.replace(path)
        return FileIO(path, "a")

    def _replace_journal(self) -> None:
        if not self._journal.closed:
            self._journal.close()  # Windows replaces no open file
            self._journal = self._write_journal()


def journal_path(partial: Path) -> Path:
    """Where the journal of a partial file lies."""
    return partial.with_name(partial.name.removesuffix(".incomplete") + ".journal")


def present_bytes(partial: Path) -> int:
    """How much of the file need not be downloaded again; 0 too where nothing can be read."""
    with suppress(OSError):
        header, *lines = (_read_journal(partial) or "").split("\n")
        size = _SIZE.match(header)
        if size and partial.stat().st_size == int(size[1]):
            return sum(end - start for start, end in _parse_ranges(lines, int(size[1])))
    return 0


def _parse_ranges(lines: list[str], size_bytes: int) -> tuple[Range, ...]:
    """What lines name within a file; a damaged one names nothing."""
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


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
