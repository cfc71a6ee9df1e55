"""`g4run chat` as a process in pipes, with the built-in model."""

import subprocess
import sys

import psutil
import pytest

from tests.e2e.processes import COMMAND, DEADLINE_SECONDS, ROOT, Ended, run_g4run
from tests.e2e.test_run import ANSWER, ENDLESS

CHAT = ("chat", "demo", "--temperature", "0", "--max-tokens", "80")


def test_each_line_of_a_pipe_is_a_message() -> None:
    lines = 'Hello!\n\n"""\n\nHello!\n"""\nHello!'
    assert run_g4run(*CHAT, stdin=lines.encode()) == Ended(0, ANSWER * 3, "")


def test_an_empty_pipe_is_no_mistake() -> None:
    assert run_g4run("chat") == Ended(0, "", "")


def test_commands_work_in_a_pipe_too() -> None:
    ended = run_g4run(*CHAT, stdin=b"Hello!\n/clear\n/nope\nHello!\n/bye\nHello!\n")
    assert ended == Ended(
        0, ANSWER * 2, "The conversation is forgotten.\nError: there is no command /nope\nHint: /help\n"
    )


def test_a_chat_remembers() -> None:
    ended = run_g4run(*CHAT, stdin=b"My name is Anna.\nWhat is my name?\n")
    assert (ended.code, ended.stderr) == (0, "")
    assert "Anna" in ended.stdout.splitlines()[1]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended otherwise there")
def test_a_chat_outlives_its_engine() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, "chat", "demo", *ENDLESS[1:]], stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"Tell me about g4run.\n")
        process.stdin.flush()
        assert process.stdout.read(1)
        (engine,) = psutil.Process(process.pid).children()
        engine.kill()
        assert process.stderr.readline().startswith(b"Error: the engine was ended by signal 9 (SIGKILL)")
        process.stdin.write(b"Tell me about g4run.\n/nope\n/bye\n")
        process.stdin.close()
        told = process.stderr.read()
        assert b"\nStarting the engine again...\n" in told
        assert told.endswith(b"Error: there is no command /nope\nHint: /help\n")
        assert process.stdout.read().count(b"\n") >= 2
        assert process.wait(DEADLINE_SECONDS) == 0
