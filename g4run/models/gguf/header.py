"""Read the header of a GGUF file: its metadata and its table of tensors, never the weights.

Works over any `read(offset, length)`, so a file and an HTTP range are the same to it. A malformed or hostile file
raises InvalidModelFile that names the offset; it costs neither much memory nor much time. Format: ggml/docs/gguf.md
and ggml/src/gguf.cpp of llama.cpp, whose limits are kept where they are not narrowed here.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from g4run.errors import InvalidModelFile
from g4run.models.gguf.cursor import AGAIN, Cursor, Read, read_at_least
from g4run.models.gguf.foreign import START_BYTES, explain_foreign
from g4run.models.gguf.types import TENSOR_TYPES, VALUE_CODES, TensorType, ValueType

MAX_ENTRIES = 1 << 16  # of metadata; real files have about 50
MAX_TENSORS = 1 << 16  # real files have up to 833
MAX_KEPT_ITEMS = 1 << 12  # longer arrays stay in the file; llama.cpp allows 512 layers
MAX_READ_BYTES = 32 << 20  # of one long array; the real merges take 9 MB
MAX_READ_ITEMS = 1 << 20
MAX_NAME_BYTES = 63  # GGML_MAX_NAME without the closing zero
MAX_DIMENSIONS = 4
MAX_ELEMENTS = (1 << 63) - 1
MAX_ALIGNMENT = 1 << 20  # the writers' default is 32


@dataclass(frozen=True, slots=True)
class LongArray:
    """An array that was left in the file, such as the vocabulary; read on demand."""

    item: ValueType
    count: int
    offset: int  # of the first item in the file
    size_bytes: int
    source: Read = field(repr=False, compare=False)

    def strings(self) -> tuple[bytes, ...]:
        """The array's strings, which need not be UTF-8."""
        if self.item is not ValueType.STRING:
            raise InvalidModelFile(f"the array at byte {self.offset} holds {self.item.name}, not strings")
        data, position, strings = self._data(), 0, []
        for _ in range(self.count):
            end = position + 8 + int.from_bytes(data[position : position + 8], "little")
            strings.append(data[position + 8 : end])
            position = end
        return tuple(strings)

    def numbers(self) -> tuple[int, ...] | tuple[float, ...]:
        """The array's numbers, or booleans."""
        if self.item is ValueType.STRING:
            raise InvalidModelFile(f"the array at byte {self.offset} holds strings, not numbers")
        return struct.unpack(f"<{self.count}{VALUE_CODES[self.item]}", self._data())

    def _data(self) -> bytes:
        if self.size_bytes > MAX_READ_BYTES or self.count > MAX_READ_ITEMS:
            raise InvalidModelFile(f"the array at byte {self.offset} is too large: {self.size_bytes} bytes")
        data = read_at_least(self.source, self.offset, self.size_bytes, self.size_bytes)
        if len(data) < self.size_bytes:
            raise InvalidModelFile(f"the file ends at byte {self.offset + len(data)}, within an array", AGAIN)
        return data


Scalar: TypeAlias = bool | int | float | str
ShortArray: TypeAlias = tuple[bool, ...] | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
MetadataValue: TypeAlias = Scalar | ShortArray | LongArray


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One line of the table of tensors; `shape` has the row length first, `offset` counts from the data section."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int

    @property
    def elements(self) -> int:
        """How many values the tensor holds."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """How many bytes its values take in the file, padding excluded."""
        return self.elements // self.type.block_size * self.type.block_bytes


@dataclass(frozen=True, slots=True)
class Split:
    """Which part of a model in several files this file is."""

    index: int  # from 0
    count: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Everything that a GGUF file says before its weights; of a model in several files, what they say together."""

    version: int
    metadata: Mapping[str, MetadataValue]
    types: Mapping[str, ValueType]  # of the metadata; ARRAY for every array
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int  # where the data section begins; of several files: in the first
    size_bytes: int | None  # of the whole file, where known; of several files: together
    parts: tuple["GgufHeader", ...] = ()  # each file's own header, where there are several

    @property
    def split(self) -> Split | None:
        """The part that this file is of a model in several files, or None."""
        count, index = self.metadata.get("split.count"), self.metadata.get("split.no", 0)
        if isinstance(count, int) and isinstance(index, int) and count > 1:
            return Split(index, count)
        return None

    @property
    def parameters(self) -> int:
        """How many weights the tensors hold, as llama.cpp counts them."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def weights_bytes(self) -> int:
        """What the tensors take up together."""
        return sum(tensor.size_bytes for tensor in self.tensors)


def read_header(path: Path) -> GgufHeader:
    """Read the header of a file; an error names the file. Raises OSError where it cannot be read."""
    try:
        return parse_header(_file_source(path), path.stat().st_size)
    except InvalidModelFile as error:
        raise InvalidModelFile(f"{path.name}: {error.message}", error.hint) from None


def _file_source(path: Path) -> Read:
    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return read


def parse_header(read: Read, size_bytes: int | None) -> GgufHeader:
    """Parse what `read` returns; `size_bytes` of the whole file, if known, lets missing data be found.

    `read` is kept by the long arrays of the result.
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
        raise explain_foreign(cursor.start(START_BYTES))
    version = cursor.take_number("I", "the version")
    if version & 0xFFFF == 0:
        raise InvalidModelFile("this GGUF file is for big-endian machines: its version at byte 4 is byte-swapped")
    if version not in (2, 3):
        raise InvalidModelFile(f"this is GGUF version {version} at byte 4, but only versions 2 and 3 are read")
    return version


def _take_count(cursor: Cursor, most: int, what: str) -> int:
    offset, count = cursor.offset, cursor.take_number("Q", f"the number of {what}")
    if count > most:
        raise InvalidModelFile(f"the file claims {count} {what} at byte {offset}, more than {most}")
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
        raise InvalidModelFile(f"{what} is of type {number}, which this version does not know")
    _check_shape(shape, kind, what)
    return TensorInfo(name.decode(errors="backslashreplace"), shape, kind, cursor.take_number("Q", what))


def _check_shape(shape: tuple[int, ...], kind: TensorType, what: str) -> None:
    if any(length > MAX_ELEMENTS for length in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise InvalidModelFile(f"{what} has more elements than any machine can count: {shape}")
    row = shape[0] if shape else 1
    if row % kind.block_size:
        raise InvalidModelFile(f"{what} has rows of {row} elements, not whole {kind.name} blocks of {kind.block_size}")


def _alignment(metadata: Mapping[str, MetadataValue]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if isinstance(alignment, bool) or not isinstance(alignment, int) or not 0 < alignment <= MAX_ALIGNMENT:
        raise InvalidModelFile(f"general.alignment is {alignment!r}, not a small power of two")
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
            f"the file is incomplete: {missing} bytes are missing of {end}, tensor {last.name} is cut off", AGAIN
        )
