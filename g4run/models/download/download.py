"""The download of one large file: parallel ranges into a partial file that every later run goes on from.

The digest is computed while the bytes arrive. A file counts as finished only when its size and its digest are the
announced ones and its bytes are on the disk itself.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx2

from g4run.errors import DigestMismatch
from g4run.models.download.connection import KEPT, Connection
from g4run.models.download.partial_file import PartialFile
from g4run.models.download.segments import Schedule
from g4run.models.download.source import DEFAULTS, Source, SourceOptions
from g4run.models.download.threads import Hasher, Syncer, start_thread
from g4run.models.remote_files import Link

_PROGRESS_SECONDS = 0.1
_ENDING_SECONDS = 3.0  # that threads get to end after a stop; one that waits for an answer is left to itself


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """Numbers that a test may want smaller; the defaults suit files of 1 to 60 GB."""

    connections: int = 4
    segment_bytes: int = 64 * 2**20  # of one request, at most
    block_bytes: int = 2**20  # written and recorded at once: what a kill loses of each connection
    sync_bytes: int = 512 * 2**20  # so that the last sync finds little to do
    source: SourceOptions = DEFAULTS


_DEFAULTS = TransferOptions()


@dataclass(frozen=True, slots=True)
class Transferred:
    """The bytes over the wire in this run, and the digest of the whole file."""

    wire_bytes: int
    sha256: str


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
    that are there, from the calling thread, ten times a second at most and once at the end. Where the digest is wrong
    and an earlier run had begun the file, it is fetched anew: a power failure may have lost bytes of it.

    Raises NetworkError, DiskFull, NotWritable, KeyboardInterrupt and what `resolve` raises with everything kept that
    came, G4RunError where another program removed that, and DigestMismatch, which removes it.
    """
    source = Source(client, resolve, options.source, KEPT)
    size_bytes, etag = source.link.size_bytes, source.link.etag
    wire_bytes = 0
    while True:
        with closing(PartialFile(partial, size_bytes, etag, is_resumed=expected_sha256 is not None)) as file:
            run = _Run(source, file, size_bytes, options)
            sha256 = run.complete(on_progress)
        wire_bytes += run.wire_bytes
        if expected_sha256 in (None, sha256):
            file.finish()
            on_progress(size_bytes)
            return Transferred(wire_bytes, sha256)
        file.discard()
        if not file.kept:
            raise _mismatch(expected_sha256 or "", sha256)


class _Run:
    """The threads of one download, from their start to their end."""

    def __init__(self, source: Source, file: PartialFile, size_bytes: int, options: TransferOptions) -> None:
        self._schedule = Schedule(size_bytes, file.kept, options.connections, options.segment_bytes)
        count = 0 if self._schedule.is_complete else options.connections
        self._connections = [
            Connection(source, file, self._schedule, options.block_bytes, options.source.policy) for _ in range(count)
        ]
        self._hasher = Hasher(file.path, self._schedule)
        self._syncer = Syncer(file, self._schedule, options.sync_bytes)

    @property
    def wire_bytes(self) -> int:
        """What came over the wire so far."""
        return sum(connection.wire_bytes for connection in self._connections)

    def complete(self, on_progress: Callable[[int], None]) -> str:
        """Run until the file is whole, hashed and on the disk; its sha256. Everything is stopped on the way out."""
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
        return self._hasher.sha256

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
