"""The program's side of the engine: starts the worker, loads a model, submits requests, streams tokens.

One thread reads the worker's reports and passes each to its request. When the worker dies, every open request fails
with WorkerDied, and the next one starts a new worker with the same model.
"""

import contextlib
import glob
import itertools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from g4run.engine import protocol
from g4run.engine.log import new_log_path
from g4run.engine.parameters import GenerationParameters, LoadParameters
from g4run.engine.process import CancelWanted, Reports, WorkerProcess
from g4run.errors import DoesNotFit, EngineBusy, G4RunError, LoadFailed, SavedStateRefused, UsageError, WorkerDied

_OUT_OF_MEMORY = re.compile(
    r"allocate|out of memory|not enough memory|insufficient memory|want of memory", re.IGNORECASE
)
_MEMORY_HINT = "close other programs, lower --ctx, or use a smaller quantization"

DEFAULT_HANG_SECONDS = 120.0
_MIN_FLOPS = 1e10  # operations per second; no usable machine is slower
_MIN_READ_SPEED = 1e7  # bytes per second; no usable disk or network share is slower
_SHARD_NUMBER = re.compile(r"-[0-9]{5}(?=-of-[0-9]{5}\.gguf$)")  # llama_split_path of llama.cpp


class Generation:
    """The tokens of one request as they arrive; after iteration, `finished` holds the final report."""

    def __init__(self, process: WorkerProcess, request_id: int) -> None:
        self._process = process
        self._request_id = request_id
        self._reports: Reports = process.await_reports(request_id)
        self.finished: protocol.Finished | None = None

    def __iter__(self) -> Iterator[protocol.Sampled]:
        """Yield tokens. Raises WorkerDied, or G4RunError if the engine cannot serve the request."""
        try:
            while self.finished is None:
                report = self._reports.get()
                if isinstance(report, protocol.Step):
                    yield from report.sampled
                elif isinstance(report, protocol.Finished):
                    self.finished = report
                elif isinstance(report, protocol.Failed):
                    raise _request_error(report)
                elif isinstance(report, CancelWanted):
                    self._process.send(protocol.Cancel(self._request_id))
                elif isinstance(report, WorkerDied):
                    raise report
        finally:
            if self.finished is None:
                self._process.send(protocol.Cancel(self._request_id))
            self._process.forget(self._request_id)

    def cancel(self) -> None:
        """Ask the worker to stop; iteration continues through the tokens it has already sent.

        Callable from any thread and from a signal handler: a SimpleQueue is reentrant.
        """
        self._reports.put(CancelWanted())


class Engine:
    """A model in a worker process. Safe to use from several threads, one Generation each.

    With requests open, a worker that is silent for `hang_seconds` plus the time that the slowest machine needs for a
    micro-batch is killed; the requests fail with WorkerDied, and the next one starts a new worker. While loading, the
    limit is `load_hang_seconds` plus the time that the slowest disk needs for the files.
    """

    def __init__(
        self,
        parameters: LoadParameters | None,
        log_directory: Path,
        hang_seconds: float = DEFAULT_HANG_SECONDS,
        load_hang_seconds: float = DEFAULT_HANG_SECONDS,
    ) -> None:
        self._hang_seconds = hang_seconds
        self._load_hang_seconds = load_hang_seconds
        self._parameters = parameters
        self._log_directory = log_directory
        self._process: WorkerProcess | None = None
        self._request_ids = itertools.count(1)
        self._lock = threading.RLock()
        self.loaded: protocol.Loaded | None = None

    @property
    def log_path(self) -> Path | None:
        """Log file of the current worker, if any."""
        return self._process.log_path if self._process else None

    @property
    def worker_pid(self) -> int | None:
        """Process id of the current worker, if any."""
        return self._process.pid if self._process else None

    @property
    def is_alive(self) -> bool:
        """Whether a worker is running."""
        return self._process is not None and self._process.is_alive

    def load(
        self, on_progress: Callable[[float], None] | None = None, parameters: LoadParameters | None = None
    ) -> protocol.Loaded:
        """Load the model if none is loaded; `parameters` replace the earlier ones. Raises LoadFailed or DoesNotFit."""
        with self._lock:
            self._parameters = parameters or self._parameters
            if self._process is not None and self._process.is_alive and self.loaded is not None:
                return self.loaded
            self._close_process()
            if self._parameters is None:
                raise ValueError("the engine has no parameters to load a model with")
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(self._close_process)  # also on Ctrl-C: a partly loaded worker is useless
                self._process = WorkerProcess(new_log_path(self._log_directory))
                timeout_seconds = self._load_hang_seconds + _max_loading_seconds(self._parameters)
                self._process.watch(timeout_seconds, while_loading=True)
                self.loaded = _load(self._process, self._parameters, on_progress or (lambda _fraction: None))
                on_failure.pop_all()
            self._process.watch(self._hang_seconds + _max_step_seconds(self._parameters, self.loaded))
            return self.loaded

    def generate(
        self, tokens: list[int], parameters: GenerationParameters, boundaries: Iterable[int] = ()
    ) -> Generation:
        """Submit a request; loads the model first if no worker is running.

        `boundaries` are positions in `tokens` to which a later prompt may go back: where turns begin, where a thought
        opens. Raises DoesNotFit (the prompt leaves no room for an answer, or memory is short) and LoadFailed.
        """
        with self._lock:  # no other thread may close or replace the worker in between
            room = self.load().context_length
            process = self._process
        assert process is not None
        if len(tokens) >= room:
            message = f"the prompt has {len(tokens):,} tokens, but the context holds {room:,} including the answer"
            raise DoesNotFit(message, "use a larger --ctx or a shorter prompt")
        request_id = next(self._request_ids)
        generation = Generation(process, request_id)
        process.send(protocol.Submit(request_id, tokens, parameters, sorted(boundaries)))
        return generation

    def save(self, tokens: list[int], path: Path, model_digest: str) -> protocol.Saved:
        """Write a conversation's computed part to a state file. Raises SavedStateRefused if that is impossible."""
        report = self._ask(lambda request_id: protocol.Save(request_id, tokens, os.fsencode(path), model_digest))
        assert isinstance(report, protocol.Saved)
        return report

    def restore(self, path: Path, model_digest: str) -> protocol.Restored:
        """Read a state file for the next prompt that begins with its tokens. Raises SavedStateRefused."""
        report = self._ask(lambda request_id: protocol.Restore(request_id, os.fsencode(path), model_digest))
        assert isinstance(report, protocol.Restored)
        return report

    def close(self) -> None:
        """End the worker; its memory, including the GPU's, is free when this returns."""
        with self._lock:
            self._close_process()

    def _ask(self, command: Callable[[int], protocol.Save | protocol.Restore]) -> protocol.Report:
        """Send a command and wait for its only report."""
        with self._lock:
            self.load()
            process = self._process
        assert process is not None
        request_id = next(self._request_ids)
        reports = process.await_reports(request_id)
        process.send(command(request_id))
        report = reports.get()
        if isinstance(report, WorkerDied):
            raise report
        if isinstance(report, protocol.Failed):
            raise SavedStateRefused(report.reason)
        assert not isinstance(report, CancelWanted)
        return report

    def _close_process(self) -> None:
        self.loaded = None
        if self._process is not None:
            self._process.close()


def _load(process: WorkerProcess, parameters: LoadParameters, on_progress: Callable[[float], None]) -> protocol.Loaded:
    process.send(protocol.Load(parameters))
    while True:
        report = process.loading.get()
        if isinstance(report, protocol.LoadProgress):
            on_progress(report.fraction)
        elif isinstance(report, protocol.Loaded):
            return report
        elif isinstance(report, protocol.LoadRefused):
            raise _load_error(report.reason, process.log_path)
        elif isinstance(report, WorkerDied):
            raise _load_death_error(report, process)


def _max_loading_seconds(parameters: LoadParameters) -> float:
    """Return the seconds allowed for reading the files: mapping one reads all of it silently (llama-mmap.cpp:480)."""
    first, drafter = (Path(os.fsdecode(path or b"")) for path in (parameters.model_path, parameters.drafter_path))
    shards = first.parent.glob(_SHARD_NUMBER.sub("-[0-9]*", glob.escape(first.name)))
    sizes = [path.stat().st_size for path in (*shards, drafter) if path.is_file()]
    return sum(sizes) / _MIN_READ_SPEED


def _max_step_seconds(parameters: LoadParameters, loaded: protocol.Loaded) -> float:
    """Return the seconds allowed for a micro-batch, at two operations per weight and token."""
    return 2 * loaded.parameter_count * parameters.micro_batch / _MIN_FLOPS


def _request_error(failed: protocol.Failed) -> G4RunError:
    if failed.kind == "busy":
        return EngineBusy(failed.reason, "try again in a moment")
    return UsageError(failed.reason) if failed.kind == "refused" else G4RunError(failed.reason)


def _load_error(reason: str, log_path: Path) -> G4RunError:
    if _OUT_OF_MEMORY.search(reason):
        return DoesNotFit(f"there is not enough memory for the model: {reason}", _MEMORY_HINT)
    return LoadFailed(f"llama.cpp could not load the model: {reason}", f"see {log_path}")


def _load_death_error(death: WorkerDied, process: WorkerProcess) -> G4RunError:
    """Return the error for a worker that died while loading, which is often out of memory."""
    message, hint = f"{death.message} while loading the model", f"see {process.log_path}"
    if process.hung:
        hint = f"try again; if it hangs again, the model's disk or the GPU driver is not responding: {hint}"
    elif _OUT_OF_MEMORY.search(death.message):
        return DoesNotFit(message, _MEMORY_HINT)
    return LoadFailed(message, hint)
