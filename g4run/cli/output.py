"""The program's output: answers to stdout, everything else to stderr, escapes only on a terminal."""

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

# Text from a model or a file must not control the terminal: C0 except tab and newline, DEL, C1.
_CONTROLS: Final = dict.fromkeys([*range(9), *range(11, 32), 127, *range(128, 160)], "\ufffd") | {ord("\r"): None}


class OutputClosed(Exception):
    """Nothing reads stdout any more (`| head -1`), so the program ends quietly."""


class Stream:
    """One of the two standard streams.

    On a terminal, control characters in text are shown as U+FFFD. Writing to a `required` stream may raise OutputClosed
    or G4RunError; other write errors are ignored.
    """

    def __init__(self, file: TextIO | None, *, required: bool) -> None:
        self._file = file
        self._required = required
        self.is_terminal = file is not None and file.isatty()

    def write(self, text: str) -> None:
        """Write text and flush it."""
        self._send(text.translate(_CONTROLS) if self.is_terminal else text)

    def dim(self) -> None:
        """Dim the text that follows, on a terminal."""
        if self.is_terminal:
            self._send(_DIM)

    def undim(self) -> None:
        """Stop dimming."""
        if self.is_terminal:
            self._send(_PLAIN)

    def replace_line(self, text: str, *, width: int) -> None:
        """Replace the first `width` columns of the current line, on a terminal."""
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
    """Both standard streams."""

    def __init__(self, answer: Stream, notes: Stream) -> None:
        self.answer = answer
        self.notes = notes

    def write_json(self, value: Mapping[str, object]) -> None:
        """Write one JSON object to stdout, indented on a terminal."""
        indent = 2 if self.answer.is_terminal else None
        self.answer.write(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")

    def write_event(self, event: str, values: Mapping[str, object]) -> None:
        """Write one JSON object on one line of stdout, also on a terminal."""
        self.answer.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")

    def write_result(self, value: Mapping[str, object], text: str, *, as_json: bool) -> None:
        """Write a command's result to stdout, as JSON or as text."""
        if as_json:
            self.write_json(value)
        else:
            self.answer.write(text)


Task: TypeAlias = Callable[[Output], int]
"""A parsed command: writes to an output and returns the exit code.

Typer creates it but does not run it, since Typer handles Ctrl-C and closed pipes with exit codes of its own.
"""


def open_output() -> Output:
    """Wrap stdout and stderr, set to UTF-8 whatever the locale is."""
    for file in (sys.stdout, sys.stderr):
        if isinstance(file, TextIOWrapper):
            file.reconfigure(encoding="utf-8", errors="replace")
    return Output(Stream(sys.stdout, required=True), Stream(sys.stderr, required=False))


def _closed_or_failed(error: OSError) -> Exception:
    """Return the exception for a failed write; Windows reports a closed pipe as EINVAL."""
    if error.errno in (errno.EPIPE, errno.ESHUTDOWN, errno.EINVAL):
        return OutputClosed()
    return G4RunError(f"the output cannot be written: {(error.strerror or str(error)).lower()}")


def _discard(file: TextIO) -> None:
    """Discard the buffered text, so that the interpreter's last flush does not fail again."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), file.fileno())
