"""One worker process: starts it, passes its reports to the requests that wait for them, and ends it.

One thread reads the reports. Another kills a worker that has been silent for too long while it loads or requests wait.
"""

import contextlib
import queue
import threading
from pathlib import Path
from typing import BinaryIO, TypeAlias

from g4run.engine import protocol
from g4run.engine.log import read_from
from g4run.engine.spawn import describe_end, start
from g4run.errors import WorkerDied

_CHECKS_PER_TIMEOUT = 8


class CancelWanted:
    """Put among a request's reports to have it cancelled by the thread that reads them."""


Reports: TypeAlias = "queue.SimpleQueue[protocol.Report | WorkerDied | CancelWanted]"


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
        self.hung = ""  # why the watching thread killed it, if it did
        self._has_loaded = threading.Event()  # or was refused, or has ended
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

    def watch(self, timeout_seconds: float, *, while_loading: bool = False) -> None:
        """Kill the process if it reports nothing for so long, until it has loaded or whenever requests wait."""
        is_over = self._has_loaded if while_loading else self._has_ended
        threading.Thread(target=self._watch, args=(timeout_seconds, is_over), daemon=True).start()

    def send(self, command: protocol.Command) -> None:
        """Send a command; if the worker is gone, WorkerDied arrives among the reports."""
        with self._writing, contextlib.suppress(OSError, ValueError):  # gone, or closed by us
            protocol.write_message(self._stdin, command)

    def await_reports(self, request_id: int) -> "Reports":
        """Return the queue of a request's reports; it ends with WorkerDied if the worker dies."""
        reports: Reports = queue.SimpleQueue()
        with self._lock:
            self._waiting[request_id] = reports
            if self._death is not None:
                reports.put(self._death)
        return reports

    def forget(self, request_id: int) -> None:
        """Drop further reports of a request."""
        with self._lock:
            self._waiting.pop(request_id, None)

    def close(self) -> None:
        """Kill the process: it has nothing to save, and a stopped one would not notice the end of stdin."""
        self._is_closing = True
        self._popen.kill()
        self._popen.wait()
        with self._writing, contextlib.suppress(OSError):  # closing flushes what can no longer be written
            self._stdin.close()

    def _read_reports(self, stream: BinaryIO) -> None:
        while (report := protocol.read_report(stream)) is not None:
            self._dispatch(report)
        stream.close()
        return_code = self._popen.wait()
        self._has_ended.set()
        self._has_loaded.set()
        death = WorkerDied("the engine was closed")
        if not self._is_closing:
            cause = self.hung or describe_end("the engine", return_code, read_from(self.log_path))
            death = WorkerDied(cause, f"see {self.log_path}; the next request starts a new engine")
        with self._lock:
            self._death = death
            for reports in (self.loading, *self._waiting.values()):
                reports.put(death)

    def _watch(self, timeout_seconds: float, is_over: threading.Event) -> None:
        """Add up the silence check by check: time in which the whole program was stopped or asleep does not count."""
        pause = timeout_seconds / _CHECKS_PER_TIMEOUT
        silent, seen = 0.0, self._reports_seen
        while not is_over.wait(pause):
            if seen == self._reports_seen and (self._waiting or not self._has_loaded.is_set()):
                silent += pause
            else:
                silent, seen = 0.0, self._reports_seen
            if silent >= timeout_seconds:
                self.hung = f"the engine was ended: it made no progress for {silent:.0f} seconds"
                self._popen.kill()
                return

    def _dispatch(self, report: protocol.Report) -> None:
        self._reports_seen += 1
        if isinstance(report, protocol.Step):
            for sampled in report.sampled:
                self._put(sampled.request_id, protocol.Step([sampled]))
        elif isinstance(report, protocol.Finished | protocol.Failed | protocol.Saved | protocol.Restored):
            self._put(report.request_id, report)
            self.forget(report.request_id)
        else:
            if not isinstance(report, protocol.LoadProgress):
                self._has_loaded.set()
            self.loading.put(report)

    def _put(self, request_id: int, report: protocol.Report) -> None:
        with self._lock:
            reports = self._waiting.get(request_id)
        if reports is not None:
            reports.put(report)
