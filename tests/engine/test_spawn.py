"""Processes of ours that answer, crash, hang, or print what they should not."""

from pathlib import Path

import pytest

from g4run.engine.spawn import ProcessFailed, ask

HEAD = "import os, sys, time\nfrom g4run.engine.standard_streams import take_standard_streams\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module that a process of ours can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "answering.py"


def answer(module: Path, body: str, timeout_seconds: float = 20) -> list[int]:
    lines = "\n    ".join(["requests, output = take_standard_streams()", *body.splitlines()])
    module.write_text(f"{HEAD}def main():\n    {lines}\n", "utf-8")
    return ask("answering", [1, 2], list[int], timeout_seconds)


def test_the_request_arrives_and_the_last_line_is_the_reply(module: Path) -> None:
    assert answer(module, "output.write(b'[7]\\n' + requests.read() + b'\\n')\noutput.close()") == [1, 2]


def test_what_a_driver_prints_is_no_reply(module: Path) -> None:
    assert answer(module, "os.write(1, b'found 1 device\\n')\noutput.write(b'[3]\\n')\noutput.close()") == [3]


@pytest.mark.parametrize("fate", ["os.abort()", "time.sleep(90)"])
def test_a_reply_counts_whatever_becomes_of_the_process_then(module: Path, fate: str) -> None:
    assert answer(module, f"output.write(b'[4]\\n[5')\noutput.flush()\n{fate}", timeout_seconds=2) == [4]


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        ("sys.exit(9)", "llama.cpp ended unexpectedly with code 9"),
        ("pass", "llama.cpp ended unexpectedly with code 0"),
        ("os.kill(os.getpid(), 11)", "llama.cpp was ended by signal 11 (SIGSEGV)"),
        (
            "os.write(2, b'ggml.c:1: GGML_ASSERT(a) failed\\n')\nos.abort()",
            "llama.cpp was ended by signal 6 (SIGABRT): GGML_ASSERT(a) failed",
        ),
    ],
)
def test_a_process_that_ends_without_a_reply_is_told_in_one_sentence(module: Path, fate: str, reason: str) -> None:
    with pytest.raises(ProcessFailed) as failed:
        answer(module, fate)
    assert (failed.value.reason, failed.value.timed_out) == (reason, False)


def test_a_process_that_hangs_is_ended(module: Path) -> None:
    with pytest.raises(ProcessFailed, match=r"^llama\.cpp did not answer within 0\.5 s$") as failed:
        answer(module, "time.sleep(90)", timeout_seconds=0.5)
    assert failed.value.timed_out
