"""The threads beside a download's connections: one hashes what is there, one syncs it to the disk."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from g4run.errors import G4RunError
from g4run.models.download.partial_file import PartialFile
from g4run.models.download.segments import Schedule

_READ_BYTES = 2 * 2**20
_POLL_SECONDS = 0.25
_SYNC_SECONDS = 15.0


def start_thread(name: str, work: Callable[[], None], schedule: Schedule) -> Thread:
    """Start a thread whose failure of any kind, bugs too, ends the download and is raised by it.

    It does not hold up the end of the program: a thread that waits for a name server cannot be woken.
    """

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            schedule.fail(error)

    thread = Thread(target=run, name=f"g4run-{name}", daemon=True)
    thread.start()
    return thread


class Hasher:
    """Hashes the file from its start, as far as it is there, while the rest still arrives."""

    def __init__(self, path: Path, schedule: Schedule) -> None:
        self._path = path
        self._schedule = schedule
        self.sha256 = ""  # once the file is whole

    def run(self) -> None:
        """Follow the front to the end of the file; return early when the download stops."""
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_READ_BYTES))
        position, size_bytes = 0, self._schedule.size_bytes
        with self._path.open("rb", buffering=0) as file:
            while position < size_bytes:
                front = self._schedule.wait_for_front(position, _READ_BYTES)
                if front <= position:
                    return
                while position < front and not self._schedule.is_stopped:
                    count = file.readinto(buffer[: front - position])
                    digest.update(buffer[:count])
                    position += count
                    if not count:
                        raise removed(self._path)
        self.sha256 = digest.hexdigest()


class Syncer:
    """Puts what was written on the disk every `sync_bytes` or 15 seconds, and once more at the end."""

    def __init__(self, file: PartialFile, schedule: Schedule, sync_bytes: int) -> None:
        self._file = file
        self._schedule = schedule
        self._sync_bytes = sync_bytes

    def run(self) -> None:
        """Sync until the download ends."""
        synced_bytes, synced_at = self._schedule.present_bytes, time.monotonic()
        while not self._schedule.is_ending:
            self._schedule.pause(_POLL_SECONDS)
            came = self._schedule.present_bytes - synced_bytes
            is_due = time.monotonic() - synced_at >= _SYNC_SECONDS
            if came >= self._sync_bytes or (came and is_due):
                synced_bytes, synced_at = synced_bytes + came, time.monotonic()
                self._sync()
        self._sync()

    def _sync(self) -> None:
        if not self._file.is_in_place():
            raise removed(self._file.path)
        self._file.sync()


def removed(path: Path) -> G4RunError:
    """The error for a partial file that is no longer there."""
    return G4RunError(
        f"another program removed the unfinished file while it came: {path}", "run the same command again"
    )
