"""The transfer of one large file: parallel ranges into a partial file that every later run goes on from.

The partial file has its final size from the start; the journal beside it says which ranges are there (journal.py).
The digest is computed while the bytes come, and a file counts as finished only when its size and its digest are the
announced ones and its bytes are on the disk itself.
"""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import httpx2

from g4run.errors import DigestMismatch
from g4run.models.download.connection import Connection
from g4run.models.download.journal import Identity
from g4run.models.download.link import SharedLink
from g4run.models.download.options import TransferOptions, Transferred
from g4run.models.download.partial import journal_path, present_bytes
from g4run.models.download.partial_file import PartialFile
from g4run.models.download.remote_files import Link
from g4run.models.download.segments import Schedule
from g4run.models.download.threads import Hasher, Syncer, start_thread

__all__ = ["TransferOptions", "Transferred", "journal_path", "present_bytes", "transfer"]

_DEFAULTS = TransferOptions()
_PROGRESS_SECONDS = 0.1
_ENDING_SECONDS = 3.0  # that threads get to end after a stop; one that waits for an answer is left to itself


def transfer(
    client: httpx2.Client,
    resolve: Callable[[], Link],
    partial: Path,
    *,
    expected_sha256: str | None,
    on_progress: Callable[[int], None],
    options: TransferOptions = _DEFAULTS,
) -> Transferred:
    """Fetch what is missing of a file; afterwards `partial` is the whole of it, verified, and the journal is gone.

    `resolve` gives a fresh link each time; it is called from any thread, one at a time. `on_progress` gets the bytes
    that are there, from the calling thread, ten times a second at most and once at the end.

    Raises NetworkError, DiskFull, NotWritable, KeyboardInterrupt and what `resolve` raises with everything kept that
    came, G4RunError where another program removed that, and DigestMismatch, which removes it.
    """
    link = SharedLink(resolve, options.fresh_links)
    identity = Identity(link.current.size_bytes, link.current.etag)
    for may_adopt in (expected_sha256 is not None, False):
        with closing(PartialFile(partial, journal_path(partial), identity, may_adopt=may_adopt)) as file:
            done = _Run(client, link, file, identity, options).complete(on_progress)
        if expected_sha256 in (None, done.sha256):
            file.finish()
            on_progress(identity.size_bytes)
            return done
        file.discard()
        if not file.is_adopted:
            break
    raise _mismatch(expected_sha256 or "", done.sha256)


class _Run:
    """The threads of one transfer, from their start to their end."""

    def __init__(
        self, client: httpx2.Client, link: SharedLink, file: PartialFile, identity: Identity, options: TransferOptions
    ) -> None:
        self._file = file
        self._schedule = Schedule(identity.size_bytes, file.kept, options.connections, options.segment_bytes)
        count = 0 if self._schedule.is_complete else options.connections
        self._connections = [Connection(client, link, file, self._schedule, options) for _ in range(count)]
        self._hasher = Hasher(file.path, self._schedule)
        self._syncer = Syncer(file, self._schedule, options)

    def complete(self, on_progress: Callable[[int], None]) -> Transferred:
        """Run until the file is whole, hashed and on the disk; stop everything on the way out."""
        works = [("hash", self._hasher.run), ("sync", self._syncer.run)]
        works += [("connection", connection.run) for connection in self._connections]
        threads: list[Thread] = []
        try:
            for name, work in works:
                threads.append(start_thread(name, work, self._schedule))
            self._watch(threads[:2], on_progress)
        finally:
            self._end(threads)
        self._schedule.raise_failure()
        return Transferred(sum(connection.wire_bytes for connection in self._connections), self._hasher.sha256)

    def _watch(self, threads: list[Thread], on_progress: Callable[[int], None]) -> None:
        """Tell how far it is, until the last byte is hashed and on the disk, or until something fails."""
        while not self._schedule.is_ending:
            on_progress(self._schedule.present_bytes)
            self._schedule.pause(_PROGRESS_SECONDS)
        while any(thread.is_alive() for thread in threads) and not self._schedule.is_stopped:
            threads[0].join(_PROGRESS_SECONDS / 2)
            threads[1].join(_PROGRESS_SECONDS / 2)

    def _end(self, threads: list[Thread]) -> None:
        self._schedule.stop()
        deadline = time.monotonic() + _ENDING_SECONDS
        for connection in self._connections:
            connection.interrupt()
        for thread in threads[:2]:
            thread.join(max(0.0, deadline - time.monotonic()))
        for thread, connection in zip(threads[2:], self._connections, strict=False):
            thread.join(_PROGRESS_SECONDS)
            while thread.is_alive() and connection.is_receiving and time.monotonic() < deadline:
                thread.join(_PROGRESS_SECONDS)


def _mismatch(expected: str, actual: str) -> DigestMismatch:
    return DigestMismatch(
        f"the file that came is not the announced one: its sha256 begins with {actual[:12]} instead of {expected[:12]}",
        "run the same command again; what came was removed",
    )
