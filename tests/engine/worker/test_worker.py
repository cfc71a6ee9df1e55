"""The worker process: how it dies, is replaced, and exits."""

import gc
import io
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.client import Engine, Generation
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.parameters import GenerationParameters, LoadParameters
from g4run.engine.protocol import Command, Load, Submit
from g4run.engine.worker.worker import Worker
from g4run.errors import SavedStateRefused, WorkerDied
from tests.engine.requests import DEMO, ENDLESS, GREEDY, generate


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with")
def test_a_killed_worker_fails_its_request_and_is_replaced(engine: Engine, prompt: list[int]) -> None:
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    killed, log = engine.worker_pid, engine.log_path
    assert killed is not None
    with pytest.raises(WorkerDied) as caught:
        for number, _ in enumerate(generation):
            if number == 3:
                os.kill(killed, signal.SIGKILL)
    assert caught.value.message == (
        "the engine was ended by signal 9 (SIGKILL), perhaps by the system for want of memory"
    )
    assert caught.value.hint == f"see {log}; the next request starts a new engine"
    assert generate(engine, prompt, GenerationParameters(2, GREEDY))[0]
    assert engine.worker_pid != killed


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has real-time signals")
def test_a_signal_without_a_name_is_reported_by_number(engine: Engine, prompt: list[int]) -> None:
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    assert engine.worker_pid is not None
    os.kill(engine.worker_pid, signal.SIGRTMIN + 1)
    with pytest.raises(WorkerDied, match=rf"the engine was ended by signal {signal.SIGRTMIN + 1}$"):
        list(generation)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to stop with")
def test_close_ends_a_stopped_worker_with_a_command_stuck_in_its_pipe(prompt: list[int], tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=65536, threads=1), tmp_path)
    engine.load()
    stopped = engine.worker_pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    stuck = threading.Thread(
        target=engine.generate, args=(prompt * 5_000, GenerationParameters())
    )  # more than a pipe holds
    stuck.start()
    time.sleep(0.1)
    engine.close()
    stuck.join(5)
    assert not stuck.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(stopped, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove a file that is in use")
def test_a_worker_whose_log_was_removed_works_and_its_death_is_reported(prompt: list[int], tmp_path: Path) -> None:
    """Each start removes old logs, including those of running engines."""
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)

    def remove_log() -> None:
        while engine.worker_pid is None:
            time.sleep(0.001)
        assert engine.log_path is not None
        engine.log_path.unlink()

    remover = threading.Thread(target=remove_log)
    remover.start()
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    remover.join()
    assert engine.worker_pid is not None
    os.kill(engine.worker_pid, signal.SIGABRT)
    with pytest.raises(WorkerDied, match=r"the engine was ended by signal 6 \(SIGABRT\)$"):
        list(generation)
    engine.close()


def test_a_file_name_that_is_not_utf8_is_loaded(prompt: list[int], tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.gguf"
    try:
        os.link(DEMO, path)
    except OSError:
        pytest.skip("this file system accepts only UTF-8 names")
    engine = Engine(LoadParameters(path, context_length=256, threads=1), tmp_path)
    assert generate(engine, prompt, GenerationParameters(1, GREEDY))[0]
    engine.close()
    Vocabulary(Path(os.fsdecode(path)), CONTROL_TEXTS).close()


def test_the_worker_imports_nothing_from_the_current_directory(
    prompt: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "queue", "typing"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path / "logs")
    assert generate(engine, prompt, GenerationParameters(1, GREEDY))[0]
    engine.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with")
def test_a_worker_that_died_between_two_commands_fails_the_next_one(tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    engine.load()
    process = engine._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    while process.is_alive:
        time.sleep(0.01)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        list(Generation(process, 1))
    engine.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with")
def test_a_worker_that_dies_idle_is_replaced(engine: Engine, prompt: list[int]) -> None:
    engine.load()
    assert engine.worker_pid is not None
    os.kill(engine.worker_pid, signal.SIGKILL)
    while engine.is_alive:
        time.sleep(0.01)
    assert generate(engine, prompt, GenerationParameters(2, GREEDY))[0]


def test_a_worker_exits_with_its_program(prompt: list[int], tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=2048, threads=1), tmp_path)
    generation = engine.generate(prompt, GenerationParameters(sampling=ENDLESS))
    threading.Timer(0.2, engine.close).start()  # closes stdin, like the end of the program
    with pytest.raises(WorkerDied, match="the engine was closed"):
        list(generation)


def test_a_bug_in_one_command_fails_that_request_alone(engine: Engine, prompt: list[int]) -> None:
    """Python refuses such a file name with an error of its own."""
    generation = engine.generate(prompt, GenerationParameters(40, ENDLESS))
    worker, log = engine.worker_pid, engine.log_path
    with pytest.raises(SavedStateRefused, match=r"^the engine failed: ValueError: embedded null"):
        engine.restore(Path("a\0b"), "digest")
    assert len(list(generation)) == 40
    assert engine.worker_pid == worker
    assert log is not None and "ValueError: embedded null" in log.read_text(encoding="utf-8")


def test_all_tokens_are_read_for_the_first_grammar_and_kept(tmp_path: Path) -> None:
    worker = Worker(queue.SimpleQueue(), io.BytesIO(), str(tmp_path / "log"))
    worker._handle(Load(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1, gpu_layers=0, repack=False)))
    gc.unfreeze()  # this process is not the worker's
    generator = worker._generator
    assert generator is not None
    found = []
    for grammar in (None, 'start: "a"', 'start: "b"'):
        worker._handle(Submit(1, [2, 10], GenerationParameters(9, GREEDY, grammar=grammar)))
        while not generator.is_idle:
            generator.step()
        found.append(vars(generator._token_table).get("tokens"))
    assert found[0] is None and found[1] is found[2] is not None


class BrokenGenerator:
    """A generator whose first step raises; the next call ends the worker's loop."""

    def __init__(self, commands: "queue.SimpleQueue[Command]") -> None:
        self.is_idle = False
        self.seen: list[str] = []
        self._commands = commands

    def step(self) -> None:
        if self.seen:
            raise SystemExit
        self.seen.append("step")
        raise ZeroDivisionError("no number")

    def fail_all(self, reason: str) -> None:
        self.seen.append(reason)
        self.is_idle = True
        self._commands.put(Submit(7, [1], GenerationParameters()))

    def submit(self, command: Submit) -> None:
        self.seen.append(f"request {command.request_id}")
        raise SystemExit


def test_a_bug_in_a_step_fails_all_requests_and_the_worker_continues(capsys: pytest.CaptureFixture[str]) -> None:
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    worker = Worker(commands, io.BytesIO(), os.devnull)
    generator = BrokenGenerator(commands)
    worker._generator = generator  # type: ignore[assignment] # a fake neighbour
    with pytest.raises(SystemExit):
        worker.serve()
    assert generator.seen == ["step", "the engine failed: ZeroDivisionError: no number", "request 7"]
    assert capsys.readouterr().err.endswith("ZeroDivisionError: no number\n")
