"""Headers made to cost as much memory as possible, and the peak memory of a process that reads one.

python -m tests.models.gguf.hostile_headers KIND   prints the peak memory of this process, in bytes
"""

import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from g4run.errors import InvalidModelFile
from g4run.models.gguf.header import parse_header

REPOSITORY = Path(__file__).parents[3]
ITEMS = 4096  # the longest array that is kept in memory
COUNT = 60_000


def _start(tensors: int = 0, entries: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, entries)


def _key(index: int) -> bytes:
    return struct.pack("<Q", 5) + b"%05d" % index


def _integers() -> Iterator[bytes]:
    """Each byte becomes a Python integer of 36 bytes."""
    yield _start(entries=COUNT)
    for index in range(COUNT):
        yield _key(index) + struct.pack("<IIQ", 9, 1, ITEMS) + b"\x80" * ITEMS


def _texts() -> Iterator[bytes]:
    """Each byte becomes a string of four characters."""
    yield _start(entries=COUNT)
    for index in range(COUNT):
        yield _key(index) + struct.pack("<IIQ", 9, 8, ITEMS) + (struct.pack("<Q", 1) + b"\xff") * ITEMS


def _keys() -> Iterator[bytes]:
    yield _start(entries=COUNT)
    for index in range(COUNT):
        yield _key(index) + struct.pack("<Iq", 11, -(1 << 62))


def _tensors() -> Iterator[bytes]:
    yield _start(tensors=COUNT)
    for index in range(COUNT):
        yield _key(index) + struct.pack("<I4QIQ", 4, 1001, 1002, 1003, 1004, 0, 1 << 40)


def _strings() -> Iterator[bytes]:
    """A vocabulary with the most tokens that the reader skips."""
    yield _start(entries=1) + _key(0) + struct.pack("<IIQ", 9, 8, 4_000_000)
    for _ in range(4000):
        yield (struct.pack("<Q", 30) + bytes(30)) * 1000


def _one_text() -> Iterator[bytes]:
    yield _start(entries=1) + _key(0) + struct.pack("<IQ", 8, 1 << 62)
    for _ in range(64):
        yield b"\xff" * (1 << 20)


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "integers": _integers,
    "texts": _texts,
    "keys": _keys,
    "tensors": _tensors,
    "strings": _strings,
    "one-text": _one_text,
}


class Flow:
    """An endless source that makes bytes as they are read, and forgets earlier ones."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._data = b""
        self._offset = 0  # of the held bytes in the file

    def read(self, offset: int, length: int) -> bytes:
        while self._offset + len(self._data) <= offset:
            self._offset += len(self._data)
            self._data = next(self._pieces, b"")
            if not self._data:
                return b""
        return self._data[offset - self._offset : offset - self._offset + length]


def peak_bytes(kind: str) -> int:
    """Return the peak memory of a fresh process that reads such a header."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.gguf.hostile_headers", kind],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=REPOSITORY,
        check=True,
    )
    return int(done.stdout)


def _own_peak_bytes() -> int:
    if sys.platform == "win32":
        import psutil  # noqa: PLC0415 - Windows has no module `resource`

        return int(psutil.Process().memory_info().peak_wset)
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss of Linux begins with what the process had that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource  # noqa: PLC0415 - not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(kind: str) -> None:
    """Read one header, which may be refused, and print the peak memory."""
    try:
        header = parse_header(Flow(KINDS[kind]()).read, None)
        assert header.tensors or header.metadata
    except InvalidModelFile as error:
        sys.stderr.write(error.message)
    sys.stdout.write(f"{_own_peak_bytes()}\n")


if __name__ == "__main__":
    main(sys.argv[1])
