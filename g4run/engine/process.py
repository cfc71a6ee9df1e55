"""One worker process: how it is started, how its reports reach the requests that wait for them, how it ends.

One thread reads the reports. Another watches: a worker that has been silent for too long while it loads, or while
requests wait, is killed, and who waits is told so.
"""

import contextlib
import queue
import threading
import time
from pathlib import Path
from typing import BinaryIO, TypeAlias

from g4run.engine.log import read_from
from g4run.engine.protocol import (
    Command,
    Failed,
    Finished,
    LoadProgress,
    Report,
    Restored,
    Saved,
    Step,
    encode_message,
    read_report,
)
from g4run.engine.spawn import describe_end, start
from g4run.errors import WorkerDied

_LOOKS_PER_BOUND = 8  # how often within its bound the silence is looked at


class CancelWanted:
    """Stands among a request's reports where somebody wanted it cancelled."""


Reports: TypeAlias = "queue.SimpleQueue[Report | WorkerDied | CancelWanted]"


class WorkerProcess:
    """One worker process and the requests that wait for it."""

    def __init__(self, log_path: Path) -> None:
        self.log_path = log_path
        with log_path.open("ab") as log:
            self._popen = start("g4run.engine.worker.worker", str(log_path), stderr=log)
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._stdin: BinaryIO = self._popen.stdin  # type: ignore[assignment] # Popen types it IO[bytes]
        self._writing = threading.Lock()
        self._waiting: dict[int, Reports] = {}
        self.loading: Reports = queue.SimpleQueue()
        self._death: WorkerDied | None = None
        self._lock = threading.Lock()
        self._is_closing = False
        self._hung = ""  # why it was killed by the thread that watches
        self._has_loaded = threading.Event()  # or has been refused, or has ended
        self._has_ended = threading.Event()
        self._reports_seen = 0
        threading.Thread(target=self._read_reports, args=(self._popen.stdout,), daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._popen.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can take commands."""
        return self._death is None

    def watch_loading(self, bound_seconds: float) -> None:
        """From now on kill the process if it reports nothing for so long before it has loaded. Once per process."""
        threading.Thread(target=self._watch, args=(bound_seconds, self._has_loaded), daemon=True).start()

    def watch(self, bound_seconds: float) -> None:
        """From now on kill the process if it reports nothing for so long while requests wait. Once per process."""
        threading.Thread(target=self._watch, args=(bound_seconds, self._has_ended), daemon=True).start()

    @property
    def has_hung(self) -> bool:
        """Whether it was killed because it had been silent for too long."""
        return bool(self._hung)

    def send(self, command: Command) -> None:
        """Send a command; a worker that is gone is told by its reports, not here."""
        frame = encode_message(command)
        with self._writing, contextlib.suppress(OSError, ValueError):  # gone, or closed by us
            self._stdin.write(frame)
            self._stdin.flush()

    def await_reports(self, request_id: int) -> "Reports":
        """Queue on which the reports of a request arrive; at the end WorkerDied, should that be so."""
        reports: Reports = queue.SimpleQueue()
        with self._lock:
            self._waiting[request_id] = reports
            if self._death is not None:
                reports.put(self._death)
        return reports

    def forget(self, request_id: int) -> None:
        """No more reports of this request are wanted."""
        with self._lock:
            self._waiting.pop(request_id, None)

    def close(self) -> None:
        """End the process at once: it has nothing to save, and one that is stopped would not see its stdin end."""
        self._is_closing = True
        self._popen.kill()
        self._popen.wait()
        with self._writing, contextlib.suppress(OSError):  # what it did not read can no longer be written
            self._stdin.close()

    def _read_reports(self, stream: BinaryIO) -> None:
        while (report := read_report(stream)) is not None:
            self._dispatch(report)
        stream.close()
        return_code = self._popen.wait()
        self._has_ended.set()
        self._has_loaded.set()
        if self._hung:
            death = WorkerDied(self._hung, f"see {self.log_path}; the next request starts a new engine")
        else:
            death = _describe_death(return_code, self.log_path, self._is_closing)
        with self._lock:
            self._death = death
            for reports in (self.loading, *self._waiting.values()):
                reports.put(death)

    def _watch(self, bound_seconds: float, is_over: threading.Event) -> None:
        """Add up silence look by look: time in which the whole program was stopped, or asleep, does not count."""
        pause = bound_seconds / _LOOKS_PER_BOUND
        silent, seen, looked = 0.0, self._reports_seen, time.monotonic()
        while not is_over.wait(pause):
            now = time.monotonic()
            if seen == self._reports_seen and (self._waiting or not self._has_loaded.is_set()):
                silent += min(now - looked, 2 * pause)
            else:
                silent, seen = 0.0, self._reports_seen
            looked = now
            if silent >= bound_seconds:
                self._hung = f"the engine was ended: it made no progress for {silent:.0f} seconds"
                self._popen.kill()
                return

    def _dispatch(self, report: Report) -> None:
        self._reports_seen += 1
        if isinstance(report, Step):
            for sampled in report.sampled:
                self._put(sampled.request_id, Step([sampled]))
        elif isinstance(report, Finished | Failed | Saved | Restored):
            self._put(report.request_id, report)
            self.forget(report.request_id)
        else:
            if not isinstance(report, LoadProgress):
                self._has_loaded.set()
            self.loading.put(report)

    def _put(self, request_id: int, report: Report) -> None:
        with self._lock:
            reports = self._waiting.get(request_id)
        if reports is not None:
            reports.put(report)


def _describe_death(return_code: int, log_path: Path, is_closing: bool) -> WorkerDied:
    if is_closing:
        return WorkerDied("the engine was closed")
    cause = describe_end("the engine", return_code, read_from(log_path))
    return WorkerDied(cause, f"see {log_path}; the next request starts a new engine")
