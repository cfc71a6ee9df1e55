"""The engine's own process: one thread owns the llama context and does nothing but batch, decode, sample.

Started by engine/client.py: commands come in on stdin, reports go out on stdout (engine/protocol.py), and whatever the
library prints goes to the log. A second thread only reads commands; at the end of stdin it ends the process at once, so
that no worker outlives its program, whatever became of that.
"""

import contextlib
import gc
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from g4run.engine import llama
from g4run.engine.amx import avoid_broken_amx
from g4run.engine.log import failure_reason, read_from
from g4run.engine.parameters import LoadParameters
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
    read_command,
    write_message,
)
from g4run.engine.sampling import Sampler, likeliest, logprob_of
from g4run.engine.scheduler import Scheduler, Sequence, Slice

_PROGRESS_SECONDS = 0.05  # between two LoadProgress messages; llama.cpp reports each tensor


@dataclass(slots=True)
class _Request:
    """What the worker keeps of a request beside its sequence; times are seconds of the monotonic clock."""

    submit: Submit
    sampler: Sampler
    started: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0


class Generator:
    """A loaded model and the requests that it serves."""

    def __init__(self, parameters: LoadParameters, report: Callable[[Report], None]) -> None:
        self._report = report
        started = time.monotonic()
        self._model = llama.Model(parameters, _throttled(report))
        self._context = llama.Context(self._model, parameters)
        self._batch = llama.Batch(self._context.micro_batch, parameters.sequences)
        self._scheduler = Scheduler(parameters.sequences, self._context.context_length, self._context.micro_batch)
        self._requests: dict[int, _Request] = {}
        self._suppressed = list(self._model.suppressed_tokens())
        self.loaded = Loaded(
            context_length=self._context.context_length,
            parameter_count=self._model.parameter_count,
            description=self._model.description,
            seconds=time.monotonic() - started,
        )

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to compute."""
        return self._scheduler.is_idle

    def submit(self, command: Submit) -> None:
        """Take a request in, or report why it cannot be served."""
        tokens_are_sound = all(0 <= token < self._model.vocabulary_size for token in command.tokens)
        if not tokens_are_sound or not 0 < len(command.tokens) < self._context.context_length:
            reason = "the prompt is empty, too long, or has a token out of range"
            self._report(Failed(command.request_id, reason))
        else:
            self._requests[command.request_id] = _Request(command, Sampler(command.parameters.sampling))
            self._scheduler.submit(command.request_id, command.tokens, command.parameters.max_tokens)

    def cancel(self, request_id: int) -> None:
        """End a request where it stands; one that has ended already is no error."""
        found = self._scheduler.cancel(request_id)
        if isinstance(found, Sequence):
            self._context.forget(found.sequence_id)
            self._end(request_id, "cancelled", found)
        elif found:
            self._end(request_id, "cancelled", None)

    def step(self) -> None:
        """One decode call and what follows from it."""
        for sequence in self._scheduler.admit():
            self._requests[sequence.request_id].started = time.monotonic()
        batch = self._scheduler.next_batch()
        self._batch.clear()
        ends = [self._batch.append(p.sequence.sequence_id, p.position, p.tokens, p.wants_logits) for p in batch]
        code = self._context.decode(self._batch)
        if code != 0:
            self.fail_all(f"llama.cpp could not compute the batch (llama_decode gave {code})")
            return
        self._scheduler.computed(batch)
        self._sample(batch, ends)

    def fail_all(self, reason: str) -> None:
        """Report every request as failed and start over with an empty cache."""
        for request_id in tuple(self._requests):
            self._scheduler.cancel(request_id)
            self._requests.pop(request_id).sampler.close()
            self._report(Failed(request_id, reason))
        self._context.forget_all()

    def _sample(self, batch: list[Slice], ends: list[int]) -> None:
        sampled: list[Sampled] = []
        ended: list[tuple[Sequence, str]] = []
        for part, index in zip(batch, ends, strict=True):
            if part.wants_logits:
                drawn = self._draw(part.sequence, index)
                reason = self._accept(part.sequence, drawn.token)
                sampled.append(drawn)
                if reason:
                    ended.append((part.sequence, reason))
        if sampled:
            self._report(Step(sampled))
        for sequence, reason in ended:
            self._scheduler.finish(sequence)
            self._context.forget(sequence.sequence_id)
            self._end(sequence.request_id, reason, sequence)

    def _draw(self, sequence: Sequence, index: int) -> Sampled:
        request = self._requests[sequence.request_id]
        if self._suppressed:
            self._context.logits(index)[self._suppressed] = -float("inf")
        token = request.sampler.draw(self._context, index)
        request.last_token = time.monotonic()
        request.first_token = request.first_token or request.last_token
        wanted = request.submit.parameters.logprobs
        if wanted is None:
            return Sampled(sequence.request_id, sequence.sequence_id, token)
        logits = self._context.logits(index)
        return Sampled(
            sequence.request_id, sequence.sequence_id, token, logprob_of(logits, token), likeliest(logits, wanted)
        )

    def _accept(self, sequence: Sequence, token: int) -> str:
        may_go_on = self._scheduler.accept(sequence, token)
        if self._model.is_end(token):
            return "stop"
        return "" if may_go_on else "length"

    def _end(self, request_id: int, reason: str, sequence: Sequence | None) -> None:
        request = self._requests.pop(request_id)
        request.sampler.close()
        has_tokens = request.first_token > 0
        self._report(
            Finished(
                request_id=request_id,
                sequence_id=sequence.sequence_id if sequence else -1,
                reason=reason,
                prompt_tokens=len(request.submit.tokens),
                generated_tokens=sequence.generated if sequence else 0,
                prompt_seconds=request.first_token - request.started if has_tokens else 0.0,
                generation_seconds=request.last_token - request.first_token if has_tokens else 0.0,
            )
        )


class Worker:
    """The process's main loop: commands in, reports out."""

    def __init__(self, commands: "queue.SimpleQueue[Command]", output: BinaryIO, log_path: str) -> None:
        self._commands = commands
        self._output = output
        self._log_path = log_path
        self._generator: Generator | None = None

    def serve(self) -> None:
        """Serve for ever; the reading thread ends the process."""
        while True:
            for command in self._received():
                self._obey(command)
            generator = self._generator
            if generator is not None and not generator.is_idle:
                self._guarded_step(generator)

    def _received(self) -> list[Command]:
        is_idle = self._generator is None or self._generator.is_idle
        commands = [self._commands.get()] if is_idle else []
        while not self._commands.empty():
            commands.append(self._commands.get())
        return commands

    def _obey(self, command: Command) -> None:
        if isinstance(command, Load):
            self._load(command.parameters)
        elif self._generator is None:
            if isinstance(command, Submit):
                self._report(Failed(command.request_id, "no model is loaded"))
        elif isinstance(command, Submit):
            self._generator.submit(command)
        elif isinstance(command, Cancel):
            self._generator.cancel(command.request_id)

    def _load(self, parameters: LoadParameters) -> None:
        log_start = os.fstat(sys.stderr.fileno()).st_size  # stderr is the log; its name may be gone
        try:
            self._generator = Generator(parameters, self._report)
        except llama.LlamaError as error:
            self._report(LoadRefused(failure_reason(read_from(self._log_path, log_start)) or str(error)))
        else:
            gc.freeze()  # what is loaded stays; collections need not look at it again
            self._report(self._generator.loaded)

    def _guarded_step(self, generator: Generator) -> None:
        try:
            generator.step()
        except Exception:  # noqa: BLE001 - the outermost loop: a bug here must reach the requests that wait, and the log
            _note(traceback.format_exc())
            generator.fail_all(f"the engine failed: {traceback.format_exc(limit=0).strip()}")

    def _report(self, message: Report) -> None:
        write_message(self._output, message)


def _throttled(report: Callable[[Report], None]) -> Callable[[float], None]:
    last = 0.0

    def progress(fraction: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_SECONDS or fraction >= 1:
            last = now
            report(LoadProgress(fraction))

    return progress


def _read_commands(stream: BinaryIO, commands: "queue.SimpleQueue[Command]") -> None:
    while (command := read_command(stream)) is not None:
        commands.put(command)
    os._exit(0)  # the program is gone or has closed us; the main thread may be deep inside a decode


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for the protocol; what C code prints to stdout joins stderr, which is the log."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - there is no such module elsewhere

        for descriptor in (0, 1):
            msvcrt.setmode(descriptor, os.O_BINARY)
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, output


def _note(text: str) -> None:
    """Write to the log; a full disk must not end the engine."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)


def main(log_path: str) -> None:
    """Run the worker until its stdin ends."""
    incoming, outgoing = _take_standard_streams()
    llama.use_default_log()
    if avoid_broken_amx():
        _note("g4run: this build's AMX kernels fail on this processor; they are not used\n")
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_read_commands, args=(incoming, commands), daemon=True).start()
    llama.initialize_backend()
    try:
        Worker(commands, outgoing, log_path).serve()
    finally:  # a bug: say it in the log and go, without waiting for the thread that reads
        _note(traceback.format_exc())
        os._exit(1)
