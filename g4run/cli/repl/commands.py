"""Slash commands of the chat."""

import re
from typing import Final

from g4run.cli.output import Output
from g4run.cli.repl.session import ChatSession
from g4run.errors import UsageError
from g4run.suggestions import find_similar

_COMMAND: Final = re.compile(r"/[A-Za-z?]*(?=\s|$)")
_NAMES: Final = ("help", "?", "clear", "bye", "exit")
_HELP: Final = '''\
/help, /?    list these commands
/clear       clear the conversation
/bye, /exit  leave the chat (or press Ctrl-D)

Enter sends the message. """ starts and ends a multi-line message.
Ctrl-C stops the answer.
'''


def is_command(text: str) -> bool:
    """Return whether a line is a command: "/help" is one, "/home/me/photo.png" is not."""
    return _COMMAND.match(text.strip()) is not None


def run_command(text: str, session: ChatSession, output: Output) -> bool:
    """Run a command and return whether the chat continues. Raises UsageError for an unknown command."""
    command, *rest = text.split()
    name = command.removeprefix("/")
    if name not in _NAMES:
        nearest, *_ = (*find_similar(name, _NAMES), "help")
        raise UsageError(f"there is no command {command}", f"/{nearest}")
    if rest:
        raise UsageError(f"{command} takes no arguments", command)
    if name in ("help", "?"):
        output.notes.write(_HELP)
    if name == "clear":
        session.clear()
        output.notes.write("Conversation cleared.\n")
    return name not in ("bye", "exit")
