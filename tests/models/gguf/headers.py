"""A small GGUF file with most kinds of metadata, hand-made headers, and parsing from memory."""

import struct

from g4run.models.gguf.cursor import Read
from g4run.models.gguf.header import GgufHeader, LongArray, parse_header
from g4run.models.gguf.types import VALUE_CODES
from scripts.shapes.metadata import int_value, ints_value, string, text_value, texts_value
from scripts.shapes.tensors import Tensor
from scripts.shapes.writer import header_bytes

ENTRIES = {
    "general.architecture": text_value("gemma4"),
    "general.tags": texts_value(["a", "", "日本"]),
    "gemma4.block_count": int_value(2),
    "gemma4.numbers": ints_value([1, -2, 3]),
}
TENSORS = [Tensor("token_embd.weight", (64, 3), "F16"), Tensor("blk.0.scale", (1,), "F32")]
SMALL_FILE = header_bytes(ENTRIES, TENSORS) + bytes(64 * 3 * 2 + 4)


def reading(data: bytes) -> Read:
    return lambda offset, length: data[offset : offset + length]


def parse(data: bytes) -> GgufHeader:
    return parse_header(reading(data), len(data))


def file_of(entries: dict[str, bytes], tensors: bytes = b"", tensor_count: int = 0, version: int = 3) -> bytes:
    start = b"GGUF" + struct.pack("<IQQ", version, tensor_count, len(entries))
    return start + b"".join(string(key) + value for key, value in entries.items()) + tensors


def numbers_of(array: LongArray) -> tuple[int, ...] | tuple[float, ...]:
    """Read the numbers or booleans of a long array."""
    data = array.source(array.offset, array.size_bytes)
    return struct.unpack(f"<{array.count}{VALUE_CODES[array.item]}", data)
