"""Read the header of a GGUF file: its metadata and its tensor table, never the weights.

Works over any `read(offset, length)`, so a local file and HTTP ranges look the same. A malformed or hostile file
raises InvalidModelFile with the offset, and costs little memory and time. Format: ggml/docs/gguf.md and
ggml/src/gguf.cpp of llama.cpp, whose limits apply unless this module narrows them.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import msgspec

from g4run.errors import InvalidModelFile
from g4run.models.gguf.cursor import DOWNLOAD_AGAIN, Cursor, Read, read_at_least
from g4run.models.gguf.other_formats import START_BYTES, explain_other_format
from g4run.models.gguf.types import TENSOR_TYPES, VALUE_CODES, TensorType, ValueType

MAX_ENTRIES = 1 << 16  # metadata entries; real files have about 50
MAX_TENSORS = 1 << 16  # real files have up to 833
MAX_KEPT_ITEMS = 512  # longer arrays stay in the file; llama.cpp allows 512 layers
MAX_READ_BYTES = 32 << 20  # per long array; the real merges take 9 MB
MAX_READ_ITEMS = 1 << 20
MAX_NAME_BYTES = 63  # GGML_MAX_NAME without the terminating zero
MAX_DIMENSIONS = 4
MAX_ELEMENTS = (1 << 63) - 1
MAX_ALIGNMENT = 1 << 20  # the writers' default is 32


@dataclass(frozen=True, slots=True)
class LongArray:
    """An array that stays in the file until it is needed, such as the vocabulary."""

    item: ValueType
    count: int
    offset: int  # of the first item in the file
    size_bytes: int
    source: Read = field(repr=False, compare=False)

    def strings(self) -> tuple[bytes, ...]:
        """Read the array's strings, which need not be UTF-8."""
        if self.item is not ValueType.STRING:
            raise InvalidModelFile(f"the array at byte {self.offset} holds {self.item.name}, not strings")
        data, position, strings = self._data(), 0, []
        for _ in range(self.count):
            end = position + 8 + int.from_bytes(data[position : position + 8], "little")
            strings.append(data[position + 8 : end])
            position = end
        return tuple(strings)

    def _data(self) -> bytes:
        if self.size_bytes > MAX_READ_BYTES or self.count > MAX_READ_ITEMS:
            raise InvalidModelFile(f"the array at byte {self.offset} is too large: {self.size_bytes} bytes")
        data = read_at_least(self.source, self.offset, self.size_bytes, self.size_bytes)
        if len(data) < self.size_bytes:
            end = self.offset + len(data)
            raise InvalidModelFile(f"the file ends at byte {end}, in the middle of an array", DOWNLOAD_AGAIN)
        return data


ShortArray: TypeAlias = tuple[bool, ...] | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
MetadataValue: TypeAlias = bool | int | float | str | ShortArray | LongArray


class TensorInfo(msgspec.Struct, frozen=True):
    """One entry of the tensor table; `shape` starts with the row length, `offset` counts from the data section."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int

    @property
    def elements(self) -> int:
        """The number of values in the tensor."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """The size of its values in the file, without padding."""
        return self.elements // self.type.block_size * self.type.block_bytes


class GgufHeader(msgspec.Struct, frozen=True):
    """The contents of a GGUF header; for a split model, of all its parts together."""

    version: int
    metadata: Mapping[str, MetadataValue]
    types: Mapping[str, ValueType]  # of the metadata values; ARRAY for every array
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int  # start of the data section; for a split model, in the first part
    size_bytes: int | None  # of the whole file if known; for a split model, of all parts
    parts: tuple["GgufHeader", ...] = ()  # the header of each part of a split model

    @property
    def parameters(self) -> int:
        """The number of weights in all tensors, as llama.cpp counts them."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def weights_bytes(self) -> int:
        """The size of all tensors."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    def check_type(self, key: str, wanted: ValueType) -> None:
        """Raise InvalidModelFile if a value exists and does not have the type that llama.cpp requires.

        Source: GGUFMeta::GKV::get_kv in src/llama-model-loader.cpp (line 164) and gguf.cpp:623 (commit 0c1e57098).
        """
        found = self.types.get(key, wanted)
        if found is not wanted:
            raise InvalidModelFile(
                f"{key} is of type {found.name}, but llama.cpp needs {wanted.name}",
                "use a file from another conversion",
            )


def read_header(path: Path) -> GgufHeader:
    """Read the header of a file.

    Raises InvalidModelFile that starts with the file's name, and OSError if the file cannot be read.
    """
    with naming(path.name):
        return parse_header(_file_source(path), path.stat().st_size)


@contextmanager
def naming(file_name: str) -> Iterator[None]:
    """Put a file's name before the message of an InvalidModelFile."""
    try:
        yield
    except InvalidModelFile as error:
        raise InvalidModelFile(f"{file_name}: {error.message}", error.hint) from None


def _file_source(path: Path) -> Read:
    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return read


def parse_header(read: Read, size_bytes: int | None) -> GgufHeader:
    """Parse a header; `size_bytes` of the whole file, if known, reveals missing data.

    The long arrays of the result keep `read`.
    """
    cursor = Cursor(read, size_bytes)
    version = _take_version(cursor)
    tensor_count = _take_count(cursor, MAX_TENSORS, "tensors")
    entry_count = _take_count(cursor, MAX_ENTRIES, "metadata entries")
    metadata, types = _take_metadata(cursor, entry_count, read)
    tensors = _take_tensors(cursor, tensor_count)
    alignment = _alignment(metadata)
    data_offset = -(-cursor.offset // alignment) * alignment if tensors else cursor.offset
    header = GgufHeader(version, metadata, types, tensors, alignment, data_offset, size_bytes)
    _check_length(header)
    return header


def _take_version(cursor: Cursor) -> int:
    magic = cursor.take(4, "the first 4 bytes")
    if magic != b"GGUF":
        raise explain_other_format(cursor.start(START_BYTES))
    version = cursor.take_number("I", "the version")
    if version & 0xFFFF == 0:
        raise InvalidModelFile("this GGUF file is for big-endian machines: its version at byte 4 is byte-swapped")
    if version not in (2, 3):
        raise InvalidModelFile(f"this is GGUF version {version} at byte 4, but g4run reads only versions 2 and 3")
    return version


def _take_count(cursor: Cursor, limit: int, what: str) -> int:
    offset, count = cursor.offset, cursor.take_number("Q", f"the number of {what}")
    if count > limit:
        raise InvalidModelFile(f"the file claims {count} {what} at byte {offset}, more than {limit}")
    return count


def _take_metadata(
    cursor: Cursor, count: int, read: Read
) -> tuple[Mapping[str, MetadataValue], Mapping[str, ValueType]]:
    metadata, types = dict[str, MetadataValue](), dict[str, ValueType]()
    for _ in range(count):
        offset, key = cursor.offset, _take_text(cursor, "a metadata key")
        if not key or key in metadata:
            problem = "appears twice" if key else "is empty"
            raise InvalidModelFile(f"the metadata key {key!r} at byte {offset} {problem}")
        types[key] = _take_value_type(cursor, key)
        metadata[key] = _take_value(cursor, key, types[key], read)
    return metadata, types


def _take_text(cursor: Cursor, what: str) -> str:
    return cursor.take_string(what).decode(errors="backslashreplace")


def _take_value(cursor: Cursor, key: str, kind: ValueType, read: Read) -> MetadataValue:
    if kind is ValueType.ARRAY:
        return _take_array(cursor, key, read)
    if kind is ValueType.STRING:
        return _take_text(cursor, key)
    return _take_numbers(cursor, kind, 1, key)[0]


def _take_value_type(cursor: Cursor, key: str) -> ValueType:
    offset, number = cursor.offset, cursor.take_number("I", f"the type of {key}")
    try:
        return ValueType(number)
    except ValueError:
        raise InvalidModelFile(f"the type {number} of {key} at byte {offset} is unknown") from None


def _take_array(cursor: Cursor, key: str, read: Read) -> ShortArray | LongArray:
    kind, count = _take_value_type(cursor, key), cursor.take_number("Q", f"the length of {key}")
    if kind is ValueType.ARRAY:
        raise InvalidModelFile(f"{key} at byte {cursor.offset} is an array of arrays, which llama.cpp does not read")
    if count > MAX_KEPT_ITEMS:
        return _skip_array(cursor, kind, count, key, read)
    if kind is ValueType.STRING:
        return tuple(_take_text(cursor, key) for _ in range(count))
    return _take_numbers(cursor, kind, count, key)


def _take_numbers(cursor: Cursor, kind: ValueType, count: int, key: str) -> tuple[int, ...] | tuple[float, ...]:
    layout = struct.Struct(f"<{count}{VALUE_CODES[kind]}")
    return layout.unpack(cursor.take(layout.size, key))


def _skip_array(cursor: Cursor, kind: ValueType, count: int, key: str, read: Read) -> LongArray:
    start = cursor.offset
    if kind is ValueType.STRING:
        cursor.skip_strings(count, key)
    else:
        cursor.skip(count * struct.calcsize("<" + VALUE_CODES[kind]), key)
    return LongArray(kind, count, start, cursor.offset - start, read)


def _take_tensors(cursor: Cursor, count: int) -> tuple[TensorInfo, ...]:
    tensors: dict[str, TensorInfo] = {}
    for _ in range(count):
        offset, tensor = cursor.offset, _take_tensor(cursor)
        if tensor.name in tensors:
            raise InvalidModelFile(f"the tensor {tensor.name} at byte {offset} appears twice")
        tensors[tensor.name] = tensor
    return tuple(tensors.values())


def _take_tensor(cursor: Cursor) -> TensorInfo:
    start, name = cursor.offset, cursor.take_string("a tensor's name")
    what = f"the tensor {name[:MAX_NAME_BYTES].decode(errors='backslashreplace')} at byte {start}"
    if len(name) > MAX_NAME_BYTES:
        raise InvalidModelFile(f"{what} has a name of {len(name)} bytes, more than {MAX_NAME_BYTES}")
    rank = cursor.take_number("I", what)
    if rank > MAX_DIMENSIONS:
        raise InvalidModelFile(f"{what} has {rank} dimensions, more than {MAX_DIMENSIONS}")
    shape = struct.unpack(f"<{rank}Q", cursor.take(8 * rank, what))
    number = cursor.take_number("I", what)
    kind = TENSOR_TYPES.get(number)
    if kind is None:
        raise InvalidModelFile(f"{what} has the unknown type {number}")
    _check_shape(shape, kind, what)
    return TensorInfo(name.decode(errors="backslashreplace"), shape, kind, cursor.take_number("Q", what))


def _check_shape(shape: tuple[int, ...], kind: TensorType, what: str) -> None:
    if any(length > MAX_ELEMENTS for length in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise InvalidModelFile(f"{what} has too many elements: {shape}")
    row = shape[0] if shape else 1
    if row % kind.block_size:
        raise InvalidModelFile(f"{what} has rows of {row} elements, not a multiple of {kind.block_size} ({kind.name})")


def _alignment(metadata: Mapping[str, MetadataValue]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if isinstance(alignment, bool) or not isinstance(alignment, int) or not 0 < alignment <= MAX_ALIGNMENT:
        raise InvalidModelFile(f"general.alignment is {alignment!r}, not a number between 1 and {MAX_ALIGNMENT}")
    if alignment & (alignment - 1):
        raise InvalidModelFile(f"general.alignment is {alignment}, not a power of two")
    return alignment


def _check_length(header: GgufHeader) -> None:
    if header.size_bytes is None or not header.tensors:
        return
    last = max(header.tensors, key=lambda tensor: tensor.offset + tensor.size_bytes)
    end = header.data_offset + last.offset + last.size_bytes
    missing = end - header.size_bytes
    if missing > 0:
        raise InvalidModelFile(
            f"the file is incomplete: {missing} of {end} bytes are missing, and tensor {last.name} is cut off",
            DOWNLOAD_AGAIN,
        )
