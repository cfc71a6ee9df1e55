"""Where the program writes: the answer to stdout, everything else to stderr, and no escapes outside a terminal."""

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from g4run.errors import G4RunError

_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"

# Text from a model or a file must not move the cursor, retitle the window or paste: C0 but tab and newline, DEL, C1.
_CONTROLS: Final = dict.fromkeys([*range(9), *range(11, 32), 127, *range(128, 160)], "\ufffd") | {ord("\r"): None}


class OutputClosed(Exception):
    """Nobody reads stdout any more (`| head -1`): the program ends quietly."""


class Stream:
    """One of the two standard streams.

    On a terminal, control characters in text are shown as U+FFFD. Writing to a `required` stream may raise OutputClosed
    or G4RunError; the other one falls silent when it cannot be written.
    """

    def __init__(self, file: TextIO | None, *, required: bool) -> None:
        self._file = file
        self._required = required
        self.is_terminal = file is not None and file.isatty()

    def write(self, text: str) -> None:
        """Write text and flush it."""
        self._send(text.translate(_CONTROLS) if self.is_terminal else text)

    def dim(self) -> None:
        """Make what follows faint, on a terminal."""
        if self.is_terminal:
            self._send(_DIM)

    def undim(self) -> None:
        """End what `dim` began."""
        if self.is_terminal:
            self._send(_PLAIN)

    def replace_line(self, text: str, *, width: int) -> None:
        """Put text in the place of the current line's first `width` columns, without escapes; only on a terminal."""
        if self.is_terminal:
            self._send(f"\r{text.translate(_CONTROLS)[:width]:<{width}}\r")

    def _send(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            _discard(self._file)
            self._file = None
            if self._required:
                raise _closed_or_failed(error) from None


class Output:
    """Both streams."""

    def __init__(self, answer: Stream, notes: Stream) -> None:
        self.answer = answer
        self.notes = notes

    def write_json(self, value: Mapping[str, object]) -> None:
        """Write one JSON object to stdout: on one line, or indented on a terminal."""
        indent = 2 if self.answer.is_terminal else None
        self.answer.write(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")


Task: TypeAlias = Callable[[Output], int]
"""What a command line asks for: writes to an output and returns the exit code.

Typer makes it and never runs it: inside Typer, Ctrl-C and a closed pipe would have exit codes of its own.
"""


def open_output() -> Output:
    """Set the process's own stdout and stderr to UTF-8, whatever the locale says, and wrap them."""
    for file in (sys.stdout, sys.stderr):
        if isinstance(file, TextIOWrapper):
            file.reconfigure(encoding="utf-8", errors="replace")
    return Output(Stream(sys.stdout, required=True), Stream(sys.stderr, required=False))


def _closed_or_failed(error: OSError) -> Exception:
    """What a failed write means; Windows reports a closed pipe as EINVAL."""
    if error.errno in (errno.EPIPE, errno.ESHUTDOWN, errno.EINVAL):
        return OutputClosed()
    return G4RunError(f"the output cannot be written: {(error.strerror or str(error)).lower()}")


def _discard(file: TextIO) -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush does not fail again."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), file.fileno())
