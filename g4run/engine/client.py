"""The program's end of the engine: starts its process, loads a model, submits requests, streams tokens.

One thread reads the worker's reports and hands each to the request that waits for it. When the worker dies, every
waiting request fails with WorkerDied, and the next one starts a fresh worker with the same model.
"""

import contextlib
import itertools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from g4run.engine.log import new_log_path
from g4run.engine.parameters import GenerationParameters, LoadParameters
from g4run.engine.process import CancelWanted, Reports, WorkerProcess
from g4run.engine.protocol import (
    Cancel,
    Failed,
    Finished,
    Load,
    Loaded,
    LoadProgress,
    LoadRefused,
    Report,
    Restore,
    Restored,
    Sampled,
    Save,
    Saved,
    Step,
    Submit,
)
from g4run.errors import DoesNotFit, EngineBusy, G4RunError, LoadFailed, SavedStateRefused, UsageError, WorkerDied

_WANT_OF_MEMORY = re.compile(
    r"allocate|out of memory|not enough memory|insufficient memory|want of memory", re.IGNORECASE
)
_MEMORY_HINT = "close other programs, give a smaller --ctx, or take a smaller quantization"

DEFAULT_HANG_SECONDS = 120.0
_SLOWEST_FLOPS = 1e10  # operations a second of a machine on which nobody would wait for an answer
_SLOWEST_READ = 1e7  # bytes a second of a disk, or a network's share, from which nobody would load a model
_PART = re.compile(rb"-[0-9]{5}-of-([0-9]{5})\.gguf$")  # llama_split_path of llama.cpp


class Generation:
    """Tokens of one request, as they come. Iterate to the end; then `finished` says how it went."""

    def __init__(self, process: WorkerProcess, request_id: int) -> None:
        self._process = process
        self._request_id = request_id
        self._reports: Reports = process.await_reports(request_id)
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
                    raise _failure(report)
                elif isinstance(report, CancelWanted):
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
        self._reports.put(CancelWanted())


class Engine:
    """A model in a worker process. Safe to use from several threads, one Generation each.

    A worker that is silent for `hang_seconds`, and as long as the slowest machine would need for a micro-batch, while
    requests wait is killed; they fail with WorkerDied, and the next one starts a fresh worker. One that loads may be
    silent for `load_hang_seconds`, and as long as the slowest disk would need for the files.
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
            if self._parameters is None:
                raise ValueError("the engine was never told what to load")
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(self._close_process)  # also on Ctrl-C: a half-loaded worker is of no use
                self._process = WorkerProcess(new_log_path(self._log_directory))
                self._process.watch_loading(self._load_hang_seconds + _slowest_reading(self._parameters))
                self.loaded = _load(self._process, self._parameters, on_progress or (lambda _fraction: None))
                on_failure.pop_all()
            self._process.watch(self._hang_seconds + _slowest_micro_batch(self._parameters, self.loaded))
            return self.loaded

    def generate(
        self, tokens: list[int], parameters: GenerationParameters, boundaries: Iterable[int] = ()
    ) -> Generation:
        """Submit a request; loads the model first if there is no live worker.

        `boundaries` are positions in `tokens` to which a later prompt may go back: where turns begin, where a thought
        opens. Raises DoesNotFit (a prompt that leaves no room for an answer, or want of memory) and LoadFailed.
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
        process.send(Submit(request_id, tokens, parameters, sorted(boundaries)))
        return generation

    def save(self, tokens: list[int], path: Path, model_digest: str) -> Saved:
        """Write what is computed of a conversation to a file, so that it can go on at once another day.

        Raises G4RunError where nothing of it is computed, or the file cannot be written.
        """
        report = self._ask(lambda request_id: Save(request_id, tokens, os.fsencode(path), model_digest))
        assert isinstance(report, Saved)
        return report

    def restore(self, path: Path, model_digest: str) -> Restored:
        """Take in such a file for the next prompt that begins with its tokens.

        Raises SavedStateRefused for a file that is damaged, or of another model, other settings or another version.
        """
        report = self._ask(lambda request_id: Restore(request_id, os.fsencode(path), model_digest))
        assert isinstance(report, Restored)
        return report

    def close(self) -> None:
        """End the worker; its memory, the GPU's too, is free when this returns."""
        with self._lock:
            self._close_process()

    def _ask(self, command: Callable[[int], Save | Restore]) -> Report:
        """Send a command that is answered once."""
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
        if isinstance(report, Failed):
            raise SavedStateRefused(report.reason)
        assert not isinstance(report, CancelWanted)
        return report

    def _close_process(self) -> None:
        self.loaded = None
        if self._process is not None:
            self._process.close()


def _load(process: WorkerProcess, parameters: LoadParameters, on_progress: Callable[[float], None]) -> Loaded:
    process.send(Load(parameters))
    while True:
        report = process.loading.get()
        if isinstance(report, LoadProgress):
            on_progress(report.fraction)
        elif isinstance(report, Loaded):
            return report
        elif isinstance(report, LoadRefused):
            raise _refusal(report.reason, process.log_path)
        elif isinstance(report, WorkerDied):
            raise _death_while_loading(report, process)


def _slowest_reading(parameters: LoadParameters) -> float:
    """Seconds; mapping a file reads all of it before llama.cpp reports anything (llama-mmap.cpp:480)."""
    paths = [*_parts(parameters.model_path), *([parameters.drafter_path] if parameters.drafter_path else [])]
    total = 0
    for path in paths:
        with contextlib.suppress(OSError):  # llama.cpp will say what is missing
            total += Path(os.fsdecode(path)).stat().st_size
    return total / _SLOWEST_READ


def _parts(path: bytes) -> list[bytes]:
    """All files of a model that begins with this one."""
    found = _PART.search(path)
    if found is None:
        return [path]
    count = int(found[1])
    return [b"%s-%05d-of-%05d.gguf" % (path[: found.start()], number, count) for number in range(1, count + 1)]


def _slowest_micro_batch(parameters: LoadParameters, loaded: Loaded) -> float:
    """Seconds; two operations a weight and token."""
    return 2 * loaded.parameter_count * parameters.micro_batch / _SLOWEST_FLOPS


def _failure(failed: Failed) -> G4RunError:
    if failed.kind == "busy":
        return EngineBusy(failed.reason, "try again in a moment")
    if failed.kind == "refused":
        return UsageError(failed.reason)
    return G4RunError(failed.reason)


def _refusal(reason: str, log_path: Path) -> G4RunError:
    if _WANT_OF_MEMORY.search(reason):
        return DoesNotFit(f"there is not enough memory for the model: {reason}", _MEMORY_HINT)
    return LoadFailed(f"llama.cpp did not load the model: {reason}", f"see {log_path}")


def _death_while_loading(death: WorkerDied, process: WorkerProcess) -> G4RunError:
    """The system ends what takes too much memory; and drivers end the process themselves where they get none."""
    message = f"{death.message} while it loaded the model"
    if process.has_hung:
        hint = "try again; if it hangs again, it is the disk with the model or the GPU's driver that does not answer"
        return LoadFailed(message, f"{hint}: see {process.log_path}")
    if _WANT_OF_MEMORY.search(death.message):
        return DoesNotFit(message, _MEMORY_HINT)
    return LoadFailed(message, f"see {process.log_path}")
