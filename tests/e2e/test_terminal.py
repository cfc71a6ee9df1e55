"""The program on a terminal of its own: what it draws there, and Ctrl-C."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Terminal, without_choice
from tests.e2e.test_run import ANSWER, ENDLESS, HELLO, THOUGHT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's own")

CTRL_C, CTRL_D = "\x03", "\x04"
END_OF_INPUT = "\x1b[?2004l"  # bracketed paste is switched off when a message is complete
DIM, PLAIN = "\x1b[2m", "\x1b[0m"
GREETING = "demo is ready, with a context of "

Open = Callable[..., Terminal]


@pytest.fixture
def terminal() -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*arguments: str, **environment: str) -> Terminal:
        opened.append(Terminal(*arguments, environment=environment))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_thinking_is_dimmed(terminal: Open) -> None:
    shown = terminal(*HELLO, "--think")
    assert shown.wait() == 0
    assert without_choice(shown.text) == f"{DIM}{THOUGHT}{PLAIN}{ANSWER}"


def test_no_colour_is_honoured(terminal: Open) -> None:
    shown = terminal(*HELLO, "--think", NO_COLOR="1")
    assert shown.wait() == 0
    assert without_choice(shown.text) == THOUGHT + ANSWER


def test_without_a_prompt_the_hint_names_the_chat(terminal: Open) -> None:
    shown = terminal("run", "demo")
    assert shown.wait() == 2
    assert shown.text == 'Error: no prompt was given\nHint: g4run run demo "your prompt", or g4run chat demo\n'


def test_ctrl_c_stops_the_answer_and_keeps_the_text(terminal: Open) -> None:
    shown = terminal("run", "demo", *ENDLESS)
    shown.read_answer()
    shown.type(CTRL_C)
    assert shown.wait() == 130
    assert shown.text.endswith("\n")
    assert "Traceback" not in shown.text


def test_a_chat_keeps_its_session_when_an_answer_is_stopped(terminal: Open, own_home: Path) -> None:
    chat = terminal("chat", "demo", *ENDLESS[1:])
    chat.read_until(">>>")
    chat.type("Tell me about g4run.\r")
    chat.read_until(END_OF_INPUT)
    chat.read_answer()
    chat.type(CTRL_C)
    chat.read_until(">>>")
    chat.type("/clear\r")
    chat.read_until("Conversation cleared.\n")
    chat.read_until(">>>")
    chat.type("/bye\r")
    assert chat.wait() == 0
    assert (own_home / "chat-history").read_text().count("\n+") == 3


def test_a_chat_answers_blocks_and_pasted_lines(terminal: Open) -> None:
    chat = terminal("chat", "demo", "--temperature", "0")
    assert GREETING in chat.read_until(">>>")
    chat.type('"""\r')
    chat.read_until("...")
    chat.type('Hello!"""\r')
    chat.read_until(ANSWER)
    chat.read_until(">>>")
    chat.type("/clear\r")
    chat.read_until(">>>")
    chat.type('\x1b[200~"""\nHello!\n"""\x1b[201~\r')
    chat.read_until(ANSWER)
    chat.read_until(">>>")
    chat.type(CTRL_C)
    chat.read_until("Press Ctrl-D or type /bye to leave.\n")
    chat.read_until(">>>")
    chat.type(CTRL_D)
    assert chat.wait() == 0
