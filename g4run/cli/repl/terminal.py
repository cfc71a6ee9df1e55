"""Messages typed at a terminal, with editing and a history that is kept."""

from collections.abc import Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from g4run.cli.output import Stream
from g4run.cli.repl.blocks import is_open


def read_from_terminal(history_file: Path, notes: Stream) -> Iterator[str]:
    """Messages as they are typed, until Ctrl-D; Ctrl-C drops what was typed so far."""
    session: PromptSession[str] = PromptSession(
        ">>> ",
        multiline=True,
        prompt_continuation="... ",
        key_bindings=_key_bindings(),
        history=_open_history(history_file),
    )
    while True:
        try:
            message = session.prompt()
        except KeyboardInterrupt:
            if not session.default_buffer.text:
                notes.write("Ctrl-D or /bye leaves.\n")
        except EOFError:
            return
        else:
            yield message


def _key_bindings() -> KeyBindings:
    """Enter sends, unless the message is an open block; pasted lines never come as Enter (bracketed paste)."""
    bindings = KeyBindings()

    @bindings.add("enter")
    def send_or_continue(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_open(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    return bindings


def _open_history(path: Path) -> History:
    """The history on disk, for its owner's eyes; where it cannot be kept there, it lasts as long as the chat."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("ab"):
            return FileHistory(path)
    except OSError:
        return InMemoryHistory()
