"""Slash commands of the chat."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from g4run.cli.output import Output
from g4run.cli.repl.session import ChatSession
from g4run.errors import UsageError
from g4run.suggestions import find_similar

_COMMAND: Final = re.compile(r"/[A-Za-z?]*(?=\s|$)")

_OTHER_HELP: Final = '''
Enter sends the message. """ starts and ends a multi-line message.
Ctrl-C stops the answer.
'''


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One command; its action returns whether the chat continues."""

    names: tuple[str, ...]
    summary: str
    action: Callable[[ChatSession, Output], bool]


def is_command(text: str) -> bool:
    """Return whether a line is a command: "/help" is one, "/home/me/photo.png" is not."""
    return _COMMAND.match(text.strip()) is not None


def run_command(text: str, session: ChatSession, output: Output) -> bool:
    """Run a command and return whether the chat continues. Raises UsageError for an unknown command."""
    name, *rest = text.split()
    command = next((command for command in COMMANDS if name in command.names), None)
    if command is None:
        known = (known.removeprefix("/") for command in COMMANDS for known in command.names)
        nearest, *_ = (*find_similar(name.removeprefix("/"), known), "help")
        raise UsageError(f"there is no command {name}", f"/{nearest}")
    if rest:
        raise UsageError(f"{name} takes no arguments", name)
    return command.action(session, output)


def _help(session: ChatSession, output: Output) -> bool:
    rows = [(", ".join(command.names), command.summary) for command in COMMANDS]
    width = max(len(names) for names, _ in rows)
    lines = "".join(f"{names:<{width}}  {summary}\n" for names, summary in rows)
    output.notes.write(lines + _OTHER_HELP)
    return True


def _clear(session: ChatSession, output: Output) -> bool:
    session.clear()
    output.notes.write("Conversation cleared.\n")
    return True


def _bye(session: ChatSession, output: Output) -> bool:
    return False


COMMANDS: Final = (
    SlashCommand(("/help", "/?"), "list these commands", _help),
    SlashCommand(("/clear",), "clear the conversation", _clear),
    SlashCommand(("/bye", "/exit"), "leave the chat (or press Ctrl-D)", _bye),
)
