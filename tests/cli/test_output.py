import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from g4run.cli.output import OutputClosed, Stream
from g4run.errors import G4RunError
from tests.fakes.streams import RecordedOutput, TerminalText


class BrokenText(io.StringIO):
    def __init__(self, error: OSError, fileno: int) -> None:
        super().__init__()
        self.error, self.number = error, fileno

    def write(self, text: str) -> int:
        raise self.error

    def fileno(self) -> int:
        return self.number


@pytest.fixture
def descriptor(tmp_path: Path) -> int:
    return os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)


def test_a_pipe_gets_unchanged_text_without_dimming() -> None:
    file = io.StringIO()
    stream = Stream(file, required=True)
    stream.dim()
    stream.write("a\tb\r\n\x1b[2J")
    stream.undim()
    stream.replace_line("Loading", width=10)
    assert file.getvalue() == "a\tb\r\n\x1b[2J"


def test_a_terminal_gets_dimming_and_no_control_characters_from_text() -> None:
    file = TerminalText()
    stream = Stream(file, required=True)
    stream.dim()
    stream.write("a\tb\r\n\x1b[2J\x9b1m\x7f")
    stream.undim()
    assert file.getvalue() == "\x1b[2ma\tb\n\ufffd[2J\ufffd1m\ufffd\x1b[0m"


def test_a_line_is_replaced_without_escapes() -> None:
    file = TerminalText()
    stream = Stream(file, required=False)
    stream.replace_line("Loading\x1b a very long name", width=10)
    stream.replace_line("", width=10)
    assert file.getvalue() == "\rLoading\ufffd a\r\r          \r"


def test_json_is_one_line_in_a_pipe_and_indented_on_a_terminal() -> None:
    value = {"content": "ä\n", "tool_calls": []}
    piped, shown = RecordedOutput(), RecordedOutput(terminal=True)
    piped.write_json(value)
    shown.write_json(value)
    assert piped.stdout == '{"content": "ä\\n", "tool_calls": []}\n'
    assert shown.stdout == '{\n  "content": "ä\\n",\n  "tool_calls": []\n}\n'
    assert json.loads(piped.stdout) == value


def test_a_closed_pipe_ends_the_program_and_a_full_disk_is_an_error(descriptor: int) -> None:
    with pytest.raises(OutputClosed):
        Stream(BrokenText(BrokenPipeError(32, "Broken pipe"), descriptor), required=True).write("x")
    with pytest.raises(G4RunError, match="the output cannot be written: no space left on device"):
        Stream(BrokenText(OSError(28, "No space left on device"), descriptor), required=True).write("x")


def test_notes_that_cannot_be_written_are_dropped(descriptor: int) -> None:
    stream = Stream(BrokenText(BrokenPipeError(32, "Broken pipe"), descriptor), required=False)
    stream.write("x")
    stream.write("y")


def test_a_missing_stream_is_silent() -> None:
    stream = Stream(None, required=True)
    stream.write("x")
    assert not stream.is_terminal


def test_the_process_writes_utf_8_whatever_the_locale_says() -> None:
    code = (
        "from g4run.cli.output import open_output as o; out = o(); out.answer.write('ä€\\udcff'); out.notes.write('ö')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert (done.stdout.decode(), done.stderr.decode()) == ("ä€?", "ö")
