"""The program's end of the engine: starts its process, loads a model, submits requests, streams tokens.

One thread reads the worker's reports and hands each to the request that waits for it. When the worker dies, every
waiting request fails with WorkerDied, and the next one starts a fresh worker with the same model.
"""

import contextlib
import itertools
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from g4run.engine.log import failure_reason, new_log_path, read_from
from g4run.engine.parameters import GenerationParameters, LoadParameters
from g4run.engine.protocol import (
    Cancel,
    Command,
    Failed,
    Finished,
    Load,
    Loaded,
    LoadProgress,
    LoadRefused,
    Report,
    Sampled,
    Step,
    Submit,
    encode_message,
    read_report,
)
from g4run.errors import DoesNotFit, G4RunError, LoadFailed, WorkerDied

_WANT_OF_MEMORY = re.compile(
    r"allocate|out of memory|not enough memory|insufficient memory|want of memory", re.IGNORECASE
)
_MEMORY_HINT = "close other programs, give a smaller --ctx, or take a smaller quantization"

_PACKAGE = Path(__file__).parents[1] / "__init__.py"
# The worker runs this very package, wherever it lies, and imports nothing from the current directory (-P).
_RUN_WORKER = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("g4run", sys.argv[1])
sys.modules["g4run"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["g4run"])
from g4run.engine.worker import main
main(sys.argv[2])
"""


class _Process:
    """One worker process and the requests that wait for it."""

    def __init__(self, log_path: Path) -> None:
        self.log_path = log_path
        self._popen = _start(log_path)
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._stdin: BinaryIO = self._popen.stdin  # type: ignore[assignment] # Popen types it IO[bytes]
        self._writing = threading.Lock()
        self._waiting: dict[int, _Reports] = {}
        self.loading: _Reports = queue.SimpleQueue()
        self._death: WorkerDied | None = None
        self._lock = threading.Lock()
        self._is_closing = False
        threading.Thread(target=self._read_reports, args=(self._popen.stdout,), daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._popen.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can take commands."""
        return self._death is None

    def send(self, command: Command) -> None:
        """Send a command; a worker that is gone is told by its reports, not here."""
        frame = encode_message(command)
        with self._writing, contextlib.suppress(OSError, ValueError):  # gone, or closed by us
            self._stdin.write(frame)
            self._stdin.flush()

    def await_reports(self, request_id: int) -> "_Reports":
        """Queue on which the reports of a request arrive; at the end WorkerDied, should that be so."""
        reports: _Reports = queue.SimpleQueue()
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
        death = _describe_death(self._popen.wait(), self.log_path, self._is_closing)
        with self._lock:
            self._death = death
            for reports in (self.loading, *self._waiting.values()):
                reports.put(death)

    def _dispatch(self, report: Report) -> None:
        if isinstance(report, Step):
            for sampled in report.sampled:
                self._put(sampled.request_id, Step([sampled]))
        elif isinstance(report, Finished | Failed):
            self._put(report.request_id, report)
        else:
            self.loading.put(report)

    def _put(self, request_id: int, report: Report) -> None:
        with self._lock:
            reports = self._waiting.get(request_id)
        if reports is not None:
            reports.put(report)


class _CancelWanted:
    """Stands among a request's reports where somebody wanted it cancelled."""


_Reports: TypeAlias = "queue.SimpleQueue[Report | WorkerDied | _CancelWanted]"


class Generation:
    """Tokens of one request, as they come. Iterate to the end; then `finished` says how it went."""

    def __init__(self, process: _Process, request_id: int) -> None:
        self._process = process
        self._request_id = request_id
        self._reports: _Reports = process.await_reports(request_id)
        self.finished: Finished | None = None

    def __iter__(self) -> Iterator[Sampled]:
        """Yield tokens. Raises WorkerDied, or G4RunError where the engine could not serve it."""
        try:
            while self.finished is None:
                report = self._reports.get()
                if isinstance(report, Step):
                    yield from report.sampled
                elif isinstance(report, Finished):
                    self.finished = report
                elif isinstance(report, Failed):
                    raise G4RunError(report.reason)
                elif isinstance(report, _CancelWanted):
                    self._process.send(Cancel(self._request_id))
                elif isinstance(report, WorkerDied):
                    raise report
        finally:
            if self.finished is None:
                self._process.send(Cancel(self._request_id))
            self._process.forget(self._request_id)

    def cancel(self) -> None:
        """Ask the worker to stop; the iteration goes on to what it has sent before it did.

        From any thread, and from a signal handler: a SimpleQueue is reentrant, and the iterating thread does the rest.
        """
        self._reports.put(_CancelWanted())


class Engine:
    """A model in a worker process. Safe to use from several threads, one Generation each."""

    def __init__(self, parameters: LoadParameters | None, log_directory: Path) -> None:
        self._parameters = parameters
        self._log_directory = log_directory
        self._process: _Process | None = None
        self._request_ids = itertools.count(1)
        self._lock = threading.RLock()
        self.loaded: Loaded | None = None

    @property
    def log_path(self) -> Path | None:
        """Log of the present worker, if one was started."""
        return self._process.log_path if self._process else None

    @property
    def worker_pid(self) -> int | None:
        """Process id of the present worker, if one was started."""
        return self._process.pid if self._process else None

    @property
    def is_alive(self) -> bool:
        """Whether there is a worker that can take a request."""
        return self._process is not None and self._process.is_alive

    def load(
        self, on_progress: Callable[[float], None] | None = None, parameters: LoadParameters | None = None
    ) -> Loaded:
        """Start a worker and load the model, unless that was done; `parameters` take the place of those before.

        Raises LoadFailed, or DoesNotFit (memory).
        """
        with self._lock:
            self._parameters = parameters or self._parameters
            if self._process is not None and self._process.is_alive and self.loaded is not None:
                return self.loaded
            self._close_process()
            self._process = _Process(new_log_path(self._log_directory))
            try:
                self.loaded = self._load(self._process, on_progress or (lambda _fraction: None))
            except BaseException:  # also Ctrl-C: a half-loaded worker is of no use
                self._close_process()
                raise
            return self.loaded

    def generate(self, tokens: list[int], parameters: GenerationParameters) -> Generation:
        """Submit a request; loads the model first if there is no live worker.

        Raises DoesNotFit (a prompt that leaves no room for an answer, or want of memory) and LoadFailed.
        """
        with self._lock:  # no other thread may close it, or start another, in between
            room = self.load().context_length
            process = self._process
        assert process is not None
        if len(tokens) >= room:
            message = f"the prompt has {len(tokens):,} tokens, and the context holds {room:,} with the answer"
            raise DoesNotFit(message, "give a larger --ctx, or a shorter prompt")
        request_id = next(self._request_ids)
        generation = Generation(process, request_id)
        process.send(Submit(request_id, tokens, parameters))
        return generation

    def close(self) -> None:
        """End the worker; its memory, the GPU's too, is free when this returns."""
        with self._lock:
            self._close_process()

    def _close_process(self) -> None:
        self.loaded = None
        if self._process is not None:
            self._process.close()

    def _load(self, process: _Process, on_progress: Callable[[float], None]) -> Loaded:
        if self._parameters is None:
            raise ValueError("the engine was never told what to load")
        process.send(Load(self._parameters))
        while True:
            report = process.loading.get()
            if isinstance(report, LoadProgress):
                on_progress(report.fraction)
            elif isinstance(report, Loaded):
                return report
            elif isinstance(report, LoadRefused):
                raise _refusal(report.reason, process.log_path)
            elif isinstance(report, WorkerDied):
                raise _death_while_loading(report, process.log_path)


def _refusal(reason: str, log_path: Path) -> G4RunError:
    if _WANT_OF_MEMORY.search(reason):
        return DoesNotFit(f"there is not enough memory for the model: {reason}", _MEMORY_HINT)
    return LoadFailed(f"llama.cpp did not load the model: {reason}", f"see {log_path}")


def _death_while_loading(death: WorkerDied, log_path: Path) -> G4RunError:
    """The system ends what takes too much memory; and drivers end the process themselves where they get none."""
    message = f"{death.message} while it loaded the model"
    if _WANT_OF_MEMORY.search(death.message):
        return DoesNotFit(message, _MEMORY_HINT)
    return LoadFailed(message, f"see {log_path}")


def _start(log_path: Path) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "GGML_NO_BACKTRACE": "1",  # a failed assertion would start a debugger for seconds
        "OPENBLAS_NUM_THREADS": "1",  # numpy only draws tokens here; its threads would take the cores from ggml's
    }
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    with log_path.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _RUN_WORKER, str(_PACKAGE), str(log_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            creationflags=flags,
            start_new_session=sys.platform != "win32",  # Ctrl-C in the terminal is ours to handle, not the worker's
        )


def _describe_death(return_code: int, log_path: Path, is_closing: bool) -> WorkerDied:
    if is_closing:
        return WorkerDied("the engine was closed")
    reason = failure_reason(read_from(log_path)) if return_code in (-signal.SIGABRT, 3) else ""
    cause = _describe_end(return_code)
    return WorkerDied(
        f"{cause}: {reason}" if reason else cause, f"see {log_path}; the next request starts a new engine"
    )


def _describe_end(return_code: int) -> str:
    if return_code >= 0:
        return f"the engine ended unexpectedly with code {return_code}"
    number = -return_code
    names = {each.value: each.name for each in signal.Signals}  # real-time signals have none
    name = f" ({names[number]})" if number in names else ""
    guess = ", perhaps by the system for want of memory" if names.get(number) == "SIGKILL" else ""
    return f"the engine was ended by signal {number}{name}{guess}"
