"""Parse a file that can only be read in pieces, with few reads and bounded memory."""

import struct
from collections.abc import Callable

from g4run.errors import InvalidModelFile

# Returns up to `length` bytes from `offset`, at least one; empty only at the end of the file.
Read = Callable[[int, int], bytes]

FIRST_BLOCK_BYTES = 1 << 16  # enough for everything before the vocabulary
MAX_BLOCK_BYTES = 1 << 22  # a 16 MB header takes 9 reads
MAX_KEPT_BYTES = 2 << 20  # taken in total; as Python integers they need 36 times as much. Real headers: 0.1 MB
MAX_OFFSET = 1 << 62
MAX_STRINGS = 4_000_000  # skipped in total; the real vocabulary has 777,050

DOWNLOAD_AGAIN = "download it again"
_LENGTH = struct.Struct("<Q")


class Cursor:
    """A position in a file: `take` bytes to keep them, `skip` the rest.

    Raises InvalidModelFile with the offset if the file ends too early or asks for too much memory.
    """

    def __init__(self, read: Read, size_bytes: int | None) -> None:
        self._read = read
        self._size_bytes = size_bytes
        self._block = b""
        self._start = 0  # offset of the block in the file
        self._next_block_bytes = FIRST_BLOCK_BYTES
        self._kept_bytes = 0
        self._strings = 0
        self.offset = 0

    def take(self, length: int, what: str) -> bytes:
        """Return the next `length` bytes, and count them as kept in memory."""
        self._kept_bytes += length
        if self._kept_bytes > MAX_KEPT_BYTES:
            raise InvalidModelFile(f"{what} at byte {self.offset} is too large for a header")
        position = self._position(length, what)
        self.offset += length
        return self._block[position : position + length]

    def start(self, length: int) -> bytes:
        """Return up to `length` first bytes of the file; valid only until the second block is read."""
        return self._block[:length]

    def take_number(self, code: str, what: str) -> int:
        """Return the next little-endian integer of a struct code."""
        (number,) = struct.unpack("<" + code, self.take(struct.calcsize("<" + code), what))
        return int(number)

    def take_string(self, what: str) -> bytes:
        """Return the next string, without its length prefix."""
        return self.take(self.take_number("Q", what), what)

    def skip(self, length: int, what: str) -> None:
        """Move past `length` bytes without reading them."""
        self.offset += length
        limit = MAX_OFFSET if self._size_bytes is None else self._size_bytes
        if self.offset > limit:
            raise InvalidModelFile(f"the file is too short: {what} would end at byte {self.offset}", DOWNLOAD_AGAIN)

    def skip_strings(self, count: int, what: str) -> None:
        """Move past `count` strings, reading only their lengths: 0.15 µs each."""
        self._strings += count
        if self._strings > MAX_STRINGS:
            raise InvalidModelFile(f"{what} at byte {self.offset} has {count} strings, more than any vocabulary has")
        while count:
            position = self._position(_LENGTH.size, what)
            passed, end = _strings_within(self._block, position, count)
            count -= passed
            self.skip(end - position, what)

    def _position(self, length: int, what: str) -> int:
        """Return where the next `length` bytes start in the block, reading the next block if needed."""
        if self.offset + length > self._start + len(self._block):
            self._load(length, what)
        return self.offset - self._start

    def _load(self, length: int, what: str) -> None:
        if self._size_bytes is not None and self.offset + length > self._size_bytes:
            raise _truncated(self._size_bytes, what)
        wanted = max(length, self._next_block_bytes)
        if self._size_bytes is not None:
            wanted = min(wanted, self._size_bytes - self.offset)
        self._start, self._block = self.offset, read_at_least(self._read, self.offset, length, wanted)
        self._next_block_bytes = min(2 * self._next_block_bytes, MAX_BLOCK_BYTES)
        if len(self._block) < length:
            raise _truncated(self._start + len(self._block), what)


def read_at_least(read: Read, offset: int, length: int, wanted: int) -> bytes:
    """Read at least `length` and up to `wanted` bytes; fewer only at the end of the file."""
    data = read(offset, wanted)
    while data and len(data) < length:
        more = read(offset + len(data), wanted - len(data))
        if not more:
            break
        data += more
    return data


def _truncated(offset: int, what: str) -> InvalidModelFile:
    return InvalidModelFile(f"the file ends at byte {offset}, in the middle of {what}", DOWNLOAD_AGAIN)


def _strings_within(block: bytes, position: int, count: int) -> tuple[int, int]:
    """Return how many strings start in the block, and where the next one would, which may be past its end."""
    last, unpack = len(block) - _LENGTH.size, _LENGTH.unpack_from
    left = count
    while left and position <= last:
        position += 8 + unpack(block, position)[0]
        left -= 1
    return count - left, position
