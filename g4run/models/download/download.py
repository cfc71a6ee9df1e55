"""Download one large file in parallel ranges, into a partial file from which every later run resumes.

The file is hashed while it arrives. It is complete only when its size and digest are right and its bytes are on the
disk.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx2

from g4run.errors import DigestMismatch, G4RunError
from g4run.models.download.connection import KEPT, Connection
from g4run.models.download.partial_file import PartialFile
from g4run.models.download.retry_policy import DOWNLOADS, RetryPolicy
from g4run.models.download.segments import Schedule
from g4run.models.download.source import Source
from g4run.models.remote_files import Link

_READ_BYTES = 2 * 2**20
_PROGRESS_SECONDS = 0.1
_POLL_SECONDS = 0.25
_SYNC_SECONDS = 15.0
_ENDING_SECONDS = 3.0  # for threads to end after a stop; one that waits for an answer is abandoned


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """Sizes that tests make smaller; the defaults suit files of 1 to 60 GB."""

    connections: int = 4
    segment_bytes: int = 64 * 2**20  # at most, per request
    block_bytes: int = 2**20  # written at once; a killed process loses as much per connection
    sync_bytes: int = 512 * 2**20  # between syncs, so that the last one is short
    policy: RetryPolicy = DOWNLOADS


_DEFAULTS = DownloadOptions()


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The bytes transferred in this run, and the digest of the whole file."""

    wire_bytes: int
    sha256: str


def download(
    client: httpx2.Client,
    resolve: Callable[[], Link],
    partial: Path,
    *,
    expected_sha256: str | None,
    on_progress: Callable[[int], None],
    options: DownloadOptions = _DEFAULTS,
) -> Downloaded:
    """Download what is missing of a file; `partial` is then the complete, verified file, and its journal is gone.

    `resolve` returns a new link each time; it is called from any thread, one at a time. `on_progress` receives the
    bytes on disk, in the calling thread, at most ten times a second and once at the end. If the digest is wrong and an
    earlier run began the file, it is downloaded again: a power failure may have lost some of its bytes.

    Raises NetworkError, DiskFull, NotWritable, KeyboardInterrupt, and what `resolve` raises, keeping the partial file;
    DigestMismatch, removing it; G4RunError if another program removed it.
    """
    source = Source(client, resolve, options.policy, KEPT)
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
            return Downloaded(wire_bytes, sha256)
        file.discard()
        if not file.kept:
            raise _mismatch(expected_sha256 or "", sha256)


class _Run:
    """The threads of one download: one hashes the file while it arrives, one syncs it to the disk, the others fetch."""

    def __init__(self, source: Source, file: PartialFile, size_bytes: int, options: DownloadOptions) -> None:
        self._file = file
        self._sync_bytes = options.sync_bytes
        self._schedule = Schedule(size_bytes, file.kept, options.connections, options.segment_bytes)
        count = 0 if self._schedule.is_complete else options.connections
        self._connections = [
            Connection(source, file, self._schedule, options.block_bytes, options.policy) for _ in range(count)
        ]
        self._sha256 = ""  # when the file is complete

    @property
    def wire_bytes(self) -> int:
        """The bytes transferred so far."""
        return sum(connection.wire_bytes for connection in self._connections)

    def complete(self, on_progress: Callable[[int], None]) -> str:
        """Run until the file is complete, hashed, and on the disk, then stop all threads. Returns its sha256."""
        threads: list[Thread] = []
        try:
            for work in (self._hash, self._sync, *(connection.run for connection in self._connections)):
                threads.append(self._start(work))
            self._watch(threads[:2], on_progress)
        finally:
            self._end(threads)
        self._schedule.raise_failure()
        return self._sha256

    def _start(self, work: Callable[[], None]) -> Thread:
        """Start a daemon thread; any exception in it, bugs included, ends the download and is raised by it.

        A daemon, because a thread that waits for a name server cannot be woken.
        """

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
                self._schedule.fail(error)

        thread = Thread(target=run, name=f"g4run-{work.__qualname__}", daemon=True)
        thread.start()
        return thread

    def _hash(self) -> None:
        """Hash what is present up to the end of the file; return early if the download stops."""
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_READ_BYTES))
        position, size_bytes = 0, self._schedule.size_bytes
        with self._file.path.open("rb", buffering=0) as file:
            while position < size_bytes:
                front = self._schedule.wait_for_front(position, _READ_BYTES)
                if front <= position:
                    return
                while position < front and not self._schedule.is_stopped:
                    count = file.readinto(buffer[: front - position])
                    digest.update(buffer[:count])
                    position += count
                    if not count:
                        raise _removed(self._file.path)
        self._sha256 = digest.hexdigest()

    def _sync(self) -> None:
        """Sync the file every `sync_bytes` or 15 seconds, and when the download ends."""
        synced_bytes, synced_at = self._schedule.present_bytes, time.monotonic()
        while not self._schedule.is_ending:
            self._schedule.pause(_POLL_SECONDS)
            came = self._schedule.present_bytes - synced_bytes
            is_due = time.monotonic() - synced_at >= _SYNC_SECONDS
            if came >= self._sync_bytes or (came and is_due):
                synced_bytes, synced_at = synced_bytes + came, time.monotonic()
                self._sync_once()
        self._sync_once()

    def _sync_once(self) -> None:
        if not self._file.is_in_place():
            raise _removed(self._file.path)
        self._file.sync()

    def _watch(self, threads: list[Thread], on_progress: Callable[[int], None]) -> None:
        """Report progress until the last byte is hashed and on the disk, or until something fails."""
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
        "the downloaded file is not the one that the Hub announced: "
        f"its sha256 starts with {actual[:12]}, not {expected[:12]}",
        "run the same command again; the download was removed",
    )


def _removed(path: Path) -> G4RunError:
    """Return the error for a partial file that is gone."""
    return G4RunError(f"another program removed the unfinished download: {path}", "run the same command again")
