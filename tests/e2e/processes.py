"""The program as a process of its own, in pipes and on a terminal."""

import os
import re
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "g4run")
DEADLINE_SECONDS = 60.0
# What `run` and `chat` say of the built-in model before they load it.
CHOICE = re.compile(r"[^\n]+: on the CPU, context [\d,]+, f16 cache, 1 thread, [\d.]+ of [\d.]+ GB RAM\n")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a process left behind."""

    code: int
    stdout: str
    stderr: str


def run_g4run(*arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Ended:
    """Run the program in pipes to its end."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_model(*arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Ended:
    """Run the program in pipes to its end; how the model was loaded must be the first line of stderr, and is cut."""
    ended = run_g4run(*arguments, stdin=stdin, environment=environment)
    return Ended(ended.code, ended.stdout, without_choice(ended.stderr))


def without_choice(stderr: str) -> str:
    """What stderr holds after the line that says how the model was loaded."""
    match = CHOICE.match(stderr)
    assert match is not None, stderr
    return stderr[match.end() :]


class Terminal:
    """The program on a terminal of 80 columns that a test reads and types on; POSIX only."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        import pty  # noqa: PLC0415 - not on Windows
        import termios  # noqa: PLC0415

        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        defaults = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={**os.environ, **defaults, **(environment or {})},
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(slave)
        self._master = master
        self._seen = 0
        self.screen = ""

    @property
    def text(self) -> str:
        """The screen without the line that shows how far the model is loaded, which only a slow machine draws."""
        return re.sub(r"\r[^\r\n]{60}\r", "", self.screen)

    def read_until(self, text: str) -> str:
        """What appeared on the screen since the last call, up to this text."""
        while text not in self.screen[self._seen :]:
            self._read_or_fail(text)
        start, self._seen = self._seen, self.screen.index(text, self._seen) + len(text)
        return self.screen[start : self._seen]

    def read_answer(self) -> None:
        """Wait until something stands on the screen that was not there before, the loading line aside."""
        before = len(self.text)
        while not CHOICE.sub("", self.text[before:]).strip() or self._has_begun_choice(before):
            self._read_or_fail("an answer")

    def _has_begun_choice(self, start: int) -> bool:
        """Whether the last line on the screen is the beginning of what is said before a load."""
        return "\n" not in self.text[start:] and self.text[start:].startswith("demo: on")

    def type(self, text: str) -> None:
        """Press keys; "\\x03" is Ctrl-C."""
        os.write(self._master, text.encode())

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self._process.wait(DEADLINE_SECONDS)

    def close(self) -> None:
        """End the process if it is still there."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)

    def _read_or_fail(self, expected: str) -> None:
        if not self._read():
            raise AssertionError(f"the program ended before {expected!r}: {self.screen!r}")

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], DEADLINE_SECONDS)
        if not ready:
            raise AssertionError(f"nothing came for {DEADLINE_SECONDS} s: {self.screen!r}")
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: Linux's way to say that the other end is closed
            return False
        self.screen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


def _own_terminal() -> None:
    """Make the terminal at stdin this process's own, so that Ctrl-C there reaches it."""
    import fcntl  # noqa: PLC0415 - not on Windows
    import termios  # noqa: PLC0415

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
