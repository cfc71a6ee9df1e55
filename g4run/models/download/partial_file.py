"""The partial file and its journal as one thing: what is written in the one is recorded in the other."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from g4run.disk import explain_refusal, sync_to_disk
from g4run.models.download.journal import Identity, Journal, read_journal, remove_journal
from g4run.models.download.ranges import Range


class PartialFile:
    """A file of its final size from the start, with holes where nothing came yet.

    Attributes: `kept`, the ranges that were there when it was opened; `is_adopted`, whether they are the whole file and
    only its size says so. Every method may be called from any thread.
    """

    def __init__(self, path: Path, journal_path: Path, identity: Identity, *, may_adopt: bool) -> None:
        """Open what is there of this content, or begin anew. Raises DiskFull, NotWritable.

        `may_adopt`: a file of the right size without a journal may be one whose transfer had just ended.
        """
        self.path = path
        self._journal_path = journal_path
        self._size_bytes = identity.size_bytes
        # A file system lets one thread at a time write to a file; waiting in the kernel cost a third of the speed.
        self._write_lock = threading.Lock()
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            recorded = read_journal(journal_path)
            has_size = _size_of(path) == identity.size_bytes
            self.is_adopted = may_adopt and recorded is None and has_size
            usable = recorded if recorded and has_size and recorded.identity == identity else None
            self.kept: tuple[Range, ...] = usable.present if usable else ()
            self._journal: Journal | None = None  # of a file that is adopted nothing is known yet
            if self.is_adopted:
                self.kept = ((0, identity.size_bytes),)
            else:  # it comes first: a partial file never meets a journal that speaks of another one
                self._journal = Journal(journal_path, identity, usable.safe if usable else (), self.kept)
            self._file = self._open()

    def write(self, start: int, data: memoryview) -> None:
        """Write at a place, and record it."""
        with self._explained():
            end = start + len(data)
            with self._write_lock:
                self._file.seek(start)
                while data:
                    data = data[self._file.write(data) :]
            if self._journal:
                self._journal.written(start, end)

    def sync(self, ranges: tuple[Range, ...]) -> None:
        """Put on the disk what was written, and record that these ranges of it are there."""
        with self._explained():
            try:
                sync_to_disk(self._file.fileno())
            except OSError:
                self._distrust()
                raise
            if self._journal:
                self._journal.safe(ranges)

    def is_in_place(self) -> bool:
        """Whether the path still leads to the file that is open: `hf cache prune` removes partial files."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        """Close file and journal, unless they are closed; both stay."""
        if self._journal:
            self._journal.close()
        self._file.close()

    def finish(self) -> None:
        """Close, and remove the journal: the file is whole."""
        self.close()
        remove_journal(self._journal_path)

    def discard(self) -> None:
        """Close, and remove both."""
        self.finish()
        self.path.unlink(missing_ok=True)

    def _open(self) -> FileIO:
        try:
            file = FileIO(self.path, "r+" if self.kept else "w+")
            if not self.kept:
                file.truncate(self._size_bytes)
        except OSError:
            if self._journal:
                self._journal.close()
            raise
        return file

    def _distrust(self) -> None:
        """After a failed sync the system may have dropped what it could not write: only what was safe still counts."""
        recorded = read_journal(self._journal_path)
        try:
            if self._journal:
                self._journal.forget_all_but(recorded.safe if recorded else ())
        except OSError:
            remove_journal(self._journal_path)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise explain_refusal(error, self.path, self._size_bytes) from error


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
