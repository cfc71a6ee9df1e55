"""The threads beside a download's connections: one hashes the file, one syncs it to the disk."""

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
    """Start a daemon thread; any exception in it, bugs included, ends the download and is raised by it.

    A daemon, because a thread that waits for a name server cannot be woken.
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
    """Hash the file from its start while the rest arrives."""

    def __init__(self, path: Path, schedule: Schedule) -> None:
        self._path = path
        self._schedule = schedule
        self.sha256 = ""  # when the file is complete

    def run(self) -> None:
        """Hash what is present up to the end of the file; return early if the download stops."""
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
                        raise _removed(self._path)
        self.sha256 = digest.hexdigest()


def sync_to_the_end(file: PartialFile, schedule: Schedule, sync_bytes: int) -> None:
    """Sync the file every `sync_bytes` or 15 seconds, and when the download ends."""
    synced_bytes, synced_at = schedule.present_bytes, time.monotonic()
    while not schedule.is_ending:
        schedule.pause(_POLL_SECONDS)
        came = schedule.present_bytes - synced_bytes
        is_due = time.monotonic() - synced_at >= _SYNC_SECONDS
        if came >= sync_bytes or (came and is_due):
            synced_bytes, synced_at = synced_bytes + came, time.monotonic()
            _sync(file)
    _sync(file)


def _sync(file: PartialFile) -> None:
    if not file.is_in_place():
        raise _removed(file.path)
    file.sync()


def _removed(path: Path) -> G4RunError:
    """Return the error for a partial file that is gone."""
    return G4RunError(f"another program removed the unfinished download: {path}", "run the same command again")
