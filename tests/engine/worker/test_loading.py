"""Loading a model into the engine, and how it fails."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest

from g4run.engine import client, spawn
from g4run.engine import process as worker_process
from g4run.engine.client import Engine
from g4run.engine.parameters import LoadParameters
from g4run.errors import DoesNotFit, LoadFailed
from scripts.shapes.writer import write_shape
from tests.engine.requests import DEMO
from tests.fakes.gguf_files import gemma4_file


def test_progress_rises_to_one(tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    seen: list[float] = []
    loaded = engine.load(seen.append)
    engine.close()
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert loaded.context_length == 256


def test_an_interrupt_while_loading_ends_the_worker(tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    workers: list[int | None] = []

    def interrupt(_fraction: float) -> None:
        workers.append(engine.worker_pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.load(interrupt)
    (worker,) = workers
    assert worker is not None
    assert not psutil.pid_exists(worker)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to stop with")
def test_a_worker_that_hangs_while_loading_is_killed_and_reported(tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path, load_hang_seconds=0.5)
    workers: list[int] = []

    def stop_worker() -> None:
        while engine.worker_pid is None:
            time.sleep(0.001)
        workers.append(engine.worker_pid)
        os.kill(engine.worker_pid, signal.SIGSTOP)

    stopper = threading.Thread(target=stop_worker)
    stopper.start()
    with pytest.raises(LoadFailed) as caught:
        engine.load()
    stopper.join()
    assert re.fullmatch(
        r"the engine was ended: it made no progress for \d seconds while loading the model", caught.value.message
    )
    assert caught.value.hint == (
        f"try again; if it hangs again, the model's disk or the GPU driver is not responding: see {engine.log_path}"
    )
    assert not psutil.pid_exists(workers[0])


def test_the_loading_timeout_covers_reading_all_files_from_the_slowest_disk(tmp_path: Path) -> None:
    sizes = {"m-00001-of-00004": 3, "m-00002-of-00004": 15, "m-00004-of-00004": 12, "drafter": 1}
    for name, size in sizes.items():
        with (tmp_path / f"{name}.gguf").open("wb") as file:
            file.truncate(size * 10**6)  # a sparse file: it takes no disk space
    first = LoadParameters(os.fsencode(tmp_path / "m-00001-of-00004.gguf"), context_length=256, threads=1)
    drafter = os.fsencode(tmp_path / "drafter.gguf")
    assert client._max_loading_seconds(first) == 3.0  # the third part is missing and does not count
    assert client._max_loading_seconds(replace(first, drafter_path=drafter)) == 3.1


def test_a_refusal_by_llama_cpp_is_reported_in_its_words(tmp_path: Path) -> None:
    path = gemma4_file().lacking_tensor("blk.0.attn_q.weight").write(tmp_path / "lacking.gguf")
    engine = Engine(LoadParameters(os.fsencode(path), context_length=256, threads=1), tmp_path)
    with pytest.raises(LoadFailed) as caught:
        engine.load()
    assert caught.value.message == "llama.cpp could not load the model: tensor 'blk.0.attn_q.weight' not found"
    assert caught.value.hint.startswith(f"see {tmp_path}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space of a process")
def test_too_little_memory_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 17 GB cannot be mapped into an address space of 8 GB."""
    import resource  # noqa: PLC0415 - not on Windows

    path = tmp_path / "31b.gguf"
    write_shape("31b", "Q4_0", path)

    def start_bounded(module: str, log_path: str, *, stderr: BinaryIO) -> "subprocess.Popen[bytes]":
        process = spawn.start(module, log_path, stderr=stderr)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (8 << 30, 8 << 30))
        return process

    monkeypatch.setattr(worker_process, "start", start_bounded)
    engine = Engine(LoadParameters(os.fsencode(path), context_length=256, threads=1), tmp_path)
    with pytest.raises(DoesNotFit, match="there is not enough memory for the model: "):
        engine.load()


def test_a_failed_assertion_in_llama_cpp_is_reported(tmp_path: Path) -> None:
    """With four of six layers sharing, no global layer owns a cache, and llama-kv-cache.cpp asserts."""
    from scripts.shapes.metadata import int_value  # noqa: PLC0415

    file = gemma4_file().having("gemma4.attention.shared_kv_layers", int_value(4))
    engine = Engine(
        LoadParameters(os.fsencode(file.write(tmp_path / "a.gguf")), context_length=256, threads=1), tmp_path
    )
    with pytest.raises(LoadFailed, match=r"the engine was ended by signal 6 \(SIGABRT\): GGML_ASSERT"):
        engine.load()
    (log,) = tmp_path.glob("*.log")
    assert "ggml_print_backtrace" not in log.read_text()  # a debugger would take seconds


def test_llama_cpp_writes_to_the_log_only(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    engine = Engine(LoadParameters(os.fsencode(DEMO), context_length=256, threads=1), tmp_path)
    engine.load()
    log = engine.log_path
    engine.close()
    assert capfd.readouterr() == ("", "")
    assert log is not None and "llama_model_loader" in log.read_text()
