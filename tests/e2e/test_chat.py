"""`g4run chat` as a process, with the built-in model and with what is chosen for the machine."""

import re
import subprocess
import sys

import psutil
import pytest

from tests.e2e.people import POSIX, Person
from tests.e2e.processes import CHOICE, COMMAND, DEADLINE_SECONDS, ROOT, Ended, Terminal, run_model, without_choice
from tests.e2e.test_run import ANSWER, ENDLESS
from tests.fakes.hub import FakeHub

CHAT = ("chat", "demo", "--temperature", "0", "--max-tokens", "80")


def test_each_line_of_a_pipe_is_a_message() -> None:
    lines = 'Hello!\n\n"""\n\nHello!\n"""\nHello!'
    assert run_model(*CHAT, stdin=lines.encode()) == Ended(0, ANSWER * 3, "")


def test_an_empty_pipe_is_not_an_error() -> None:
    assert run_model("chat", "demo") == Ended(0, "", "")


def test_commands_work_in_a_pipe_too() -> None:
    ended = run_model(*CHAT, stdin=b"Hello!\n/clear\n/nope\nHello!\n/bye\nHello!\n")
    assert ended == Ended(0, ANSWER * 2, "Conversation cleared.\nError: there is no command /nope\nHint: /help\n")


def test_a_chat_remembers() -> None:
    ended = run_model(*CHAT, stdin=b"My name is Anna.\nWhat is my name?\n")
    assert (ended.code, ended.stderr) == (0, "")
    assert "Anna" in ended.stdout.splitlines()[1]


def test_in_a_pipe_a_chat_without_a_name_uses_the_demo(person: Person, family: FakeHub) -> None:
    family.reset()
    ended = person.pipes(b"Hello!\n", "chat", "--temperature", "0")
    assert (ended.code, ended.stdout, family.requests) == (0, ANSWER, ())
    line, _, rest = ended.stderr.partition("\n")
    assert re.fullmatch(r"using the built-in demo; for a real model: g4run pull gemma4:\w+-q8_0", line)
    assert without_choice(rest) == ""


def test_a_chat_without_a_name_uses_an_installed_model(person: Person, family: FakeHub) -> None:
    assert person.types("pull", "gemma4:e2b").code == 0
    with family.refusing():
        ended = person.pipes(b"Hello!\n", "chat", "--temperature", "0")
    assert (ended.code, ended.stdout) == (0, ANSWER)
    assert "\ngemma4:e2b: on the CPU, " in f"\n{ended.stderr}"


@POSIX
def test_in_a_terminal_the_best_model_is_offered_and_pulled(person: Person, family: FakeHub) -> None:
    terminal = Terminal("chat", "--temperature", "0", environment=person.environment)
    try:
        offer = terminal.read_until("Download it now? [Y/n] ")
        found = re.search(r"Gemma 4 (\w+)( A4B)? in Q8_0 suits this machine best \(3\.3 MB download\)\.\n", offer)
        assert found is not None
        name = f"gemma4:{found[1].lower()}"
        terminal.type("\n")
        terminal.read_until("3.3 MB to download to ")
        terminal.read_until(f"{name} is ready, with a context of ")
        terminal.read_until(">>>")
        terminal.type("Hello!\r")
        terminal.read_until(ANSWER)
        terminal.read_until(">>>")
        terminal.type("\x04")
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert person.models() == [name, "demo"]


@POSIX
@pytest.mark.parametrize("key", ["n\n", "\x04"])
def test_declining_the_offer_uses_the_demo(person: Person, family: FakeHub, key: str) -> None:
    family.reset()
    terminal = Terminal("chat", environment=person.environment)
    try:
        terminal.read_until("Download it now? [Y/n] ")
        terminal.type(key)
        terminal.read_until("\nusing the built-in demo; for a real model: g4run pull gemma4:")
        terminal.read_until("demo is ready, with a context of ")
        terminal.read_until(">>>")
        terminal.type("\x04")
        assert (terminal.wait(), family.requests) == (0, ())
    finally:
        terminal.close()


@POSIX
def test_ctrl_c_at_the_question_ends_the_program(person: Person, family: FakeHub) -> None:
    terminal = Terminal("chat", environment=person.environment)
    try:
        terminal.read_until("Download it now? [Y/n] ")
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert terminal.screen.endswith("[Y/n] ^C\n")
    finally:
        terminal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended otherwise there")
def test_a_chat_survives_its_engine() -> None:
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
        assert CHOICE.fullmatch(process.stderr.readline().decode())
        assert process.stderr.readline().startswith(b"Error: the engine was ended by signal 9 (SIGKILL)")
        process.stdin.write(b"Tell me about g4run.\n/nope\n/bye\n")
        process.stdin.close()
        told = process.stderr.read()
        assert b"\nRestarting the engine...\n" in told
        assert told.endswith(b"Error: there is no command /nope\nHint: /help\n")
        assert process.stdout.read().count(b"\n") >= 2
        assert process.wait(DEADLINE_SECONDS) == 0
