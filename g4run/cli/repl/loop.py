"""The chat loop: read a message, answer it, repeat."""

from collections.abc import Iterable

from g4run.cli.output import Output
from g4run.cli.repl.blocks import QUOTES, unquote
from g4run.cli.repl.commands import is_command, run_command
from g4run.cli.repl.session import ChatSession
from g4run.cli.views.errors import render_error
from g4run.errors import G4RunError, Interrupted
from g4run.runtime.answers.answer import FinishReason


def converse(session: ChatSession, messages: Iterable[str], output: Output, *, is_interactive: bool) -> None:
    """Answer messages until they end or the user leaves; a failed answer does not end the chat.

    In a pipe, Ctrl-C ends the program: Interrupted during an answer, KeyboardInterrupt otherwise.
    """
    for message in messages:
        try:
            if not _take(message, session, output, is_interactive=is_interactive):
                return
        except Interrupted:
            raise
        except G4RunError as error:
            output.notes.write(render_error(error))
        except KeyboardInterrupt:
            if not is_interactive:
                raise
        if is_interactive:
            output.notes.write("\n")


def _take(message: str, session: ChatSession, output: Output, *, is_interactive: bool) -> bool:
    """Run a command or answer a message, and return whether the chat continues."""
    is_block = message.strip().startswith(QUOTES)
    text = unquote(message)
    if not text:
        return True
    if is_command(text) and not is_block:
        return run_command(text, session, output)
    answer = session.ask(text)
    if answer.finish_reason is FinishReason.CANCELLED and not is_interactive:
        raise Interrupted("stopped")
    return True
