"""The worker process: one thread owns the llama.cpp context and only batches, decodes and samples.

engine/client.py starts it. Commands arrive on stdin, reports leave on stdout (engine/protocol.py), and whatever the
library prints goes to the log. A second thread reads commands and exits the process at the end of stdin, so that a
worker never outlives its program, even one that crashed.
"""

import gc
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from g4run.engine import protocol
from g4run.engine.kv_cache.state_files import restore_sequence, save_sequence
from g4run.engine.llama import api as llama
from g4run.engine.log import failure_reason, note, read_from
from g4run.engine.parameters import LoadParameters
from g4run.engine.standard_streams import take_standard_streams
from g4run.engine.worker.generator import Generator

_PROGRESS_SECONDS = 0.05  # between two LoadProgress messages; llama.cpp reports each tensor


class Worker:
    """The main loop: takes commands, sends reports."""

    def __init__(self, commands: "queue.SimpleQueue[protocol.Command]", output: BinaryIO, log_path: str) -> None:
        self._commands = commands
        self._output = output
        self._log_path = log_path
        self._generator: Generator | None = None

    def serve(self) -> None:
        """Serve forever; the reader thread ends the process."""
        while True:
            for command in self._received():
                self._handle(command)
            generator = self._generator
            if generator is not None and not generator.is_idle:
                _guarded(generator.step, generator.fail_all)

    def _received(self) -> list[protocol.Command]:
        is_idle = self._generator is None or self._generator.is_idle
        commands = [self._commands.get()] if is_idle else []
        while not self._commands.empty():
            commands.append(self._commands.get())
        return commands

    def _handle(self, command: protocol.Command) -> None:
        if isinstance(command, protocol.Load):
            self._load(command.parameters)
        elif self._generator is None:
            self._fail(command, "no model is loaded")
        else:
            _guarded(partial(self._serve, command, self._generator), partial(self._fail, command))

    def _serve(self, command: protocol.RequestCommand, generator: Generator) -> None:
        if isinstance(command, protocol.Submit):
            generator.submit(command)
        elif isinstance(command, protocol.Cancel):
            generator.cancel(command.request_id)
        elif isinstance(command, protocol.Save):
            self._report(save_sequence(command, generator.cache, generator.saved_settings(command.model_digest)))
        else:
            self._report(restore_sequence(command, generator.cache, generator.saved_settings(command.model_digest)))

    def _fail(self, command: protocol.RequestCommand, reason: str) -> None:
        if not isinstance(command, protocol.Cancel):
            self._report(protocol.Failed(command.request_id, reason))

    def _load(self, parameters: LoadParameters) -> None:
        log_start = os.fstat(sys.stderr.fileno()).st_size  # stderr is the log, whose file may have been removed
        try:
            self._generator = Generator(parameters, self._report, _throttled(self._report))
        except llama.LlamaError as error:
            self._report(protocol.LoadRefused(failure_reason(read_from(self._log_path, log_start)) or str(error)))
        else:
            gc.freeze()  # the model stays loaded: exclude it from garbage collection
            self._report(self._generator.loaded)

    def _report(self, message: protocol.Report) -> None:
        protocol.write_message(self._output, message)


def _guarded(action: Callable[[], None], fail: Callable[[str], None]) -> None:
    """Run `action`; report an unexpected exception to the log and to `fail`, and carry on."""
    try:
        action()
    except Exception:  # noqa: BLE001 - the outermost loop: waiting requests must learn of any bug
        note(traceback.format_exc())
        fail(f"the engine failed: {traceback.format_exc(limit=0).strip()}")


def _throttled(report: Callable[[protocol.Report], None]) -> Callable[[float], None]:
    last = 0.0

    def progress(fraction: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_SECONDS or fraction >= 1:
            last = now
            report(protocol.LoadProgress(fraction))

    return progress


def _read_commands(stream: BinaryIO, commands: "queue.SimpleQueue[protocol.Command]") -> None:
    while (command := protocol.read_command(stream)) is not None:
        commands.put(command)
    os._exit(0)  # the program has exited or closed the worker; the main thread may be decoding


def main(log_path: str) -> None:
    """Run the worker until its stdin ends."""
    incoming, outgoing = take_standard_streams()
    llama.use_default_log()
    commands: queue.SimpleQueue[protocol.Command] = queue.SimpleQueue()
    threading.Thread(target=_read_commands, args=(incoming, commands), daemon=True).start()
    llama.initialize_backend()
    try:
        Worker(commands, outgoing, log_path).serve()
    finally:  # a bug: log it and exit without waiting for the reader thread
        note(traceback.format_exc())
        os._exit(1)
