"""Read messages from a terminal, with line editing and a persistent history."""

from collections.abc import Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from g4run.cli.output import Stream
from g4run.cli.repl.blocks import is_open


def read_from_terminal(history_file: Path, notes: Stream) -> Iterator[str]:
    """Yield messages as they are typed, until Ctrl-D; Ctrl-C clears the current input."""
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
                notes.write("Press Ctrl-D or type /bye to leave.\n")
        except EOFError:
            return
        else:
            yield message


def _key_bindings() -> KeyBindings:
    """Let Enter send the message unless a block is open; bracketed paste never sends Enter."""
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
    """Open the history file, readable by its owner only, or keep the history in memory if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("ab"):
            return FileHistory(path)
    except OSError:
        return InMemoryHistory()
