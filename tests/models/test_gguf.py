import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.errors import InvalidModelFile
from g4run.models.gguf import (
    MAX_ENTRIES,
    MAX_KEPT_ITEMS,
    MAX_TENSORS,
    GgufHeader,
    LongArray,
    Split,
    parse_header,
    read_header,
)
from g4run.models.gguf_cursor import MAX_STRINGS, Read
from g4run.models.gguf_types import TENSOR_TYPES, ValueType
from scripts.shapes import Tensor, header_bytes, int_value, ints_value, string, text_value, texts_value
from tests.fakes.gguf_files import EXPERTS, SMALL, gemma4_file, write_text, write_truncated

gguf = pytest.importorskip("gguf")

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


def tensor_line(name: str = "x", shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


# The package `gguf` as the oracle


def write_every_type(path: Path, version_bytes: bytes = b"") -> None:
    writer = gguf.GGUFWriter(path, "gemma4")
    writer.add_custom_alignment(64)
    for name, value in (("u8", 200), ("u16", 60_000), ("u32", 4_000_000_000)):
        getattr(writer, f"add_uint{name[1:]}")(f"scalar.{name}", value)
    for name, value in (("i8", -100), ("i16", -30_000), ("i32", -2_000_000_000)):
        getattr(writer, f"add_int{name[1:]}")(f"scalar.{name}", value)
    writer.add_uint64("scalar.u64", 1 << 63)
    writer.add_int64("scalar.i64", -(1 << 62))
    writer.add_float32("scalar.f32", 0.5)
    writer.add_float64("scalar.f64", 1e300)
    writer.add_bool("scalar.bool", True)
    writer.add_string("scalar.text", "héllo\n")
    writer.add_array("list.ints", [1, 2, 3])
    writer.add_array("list.floats", [0.5, -2.0])
    writer.add_array("list.bools", [True, False])
    writer.add_array("list.texts", ["a", "", "日本"])
    writer.add_array("long.ints", list(range(MAX_KEPT_ITEMS + 1)))
    writer.add_array("long.texts", [f"t{index}" for index in range(MAX_KEPT_ITEMS + 1)])
    writer.add_tensor("a", np.zeros((3, 5), np.float32))
    writer.add_tensor("b", np.zeros((2, 3, 64), np.float16))
    writer.add_tensor("c", np.zeros((4, 34 * 2), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def metadata_of(header: GgufHeader) -> dict[str, object]:
    def plain(value: object) -> object:
        if isinstance(value, LongArray):
            is_text = value.item is ValueType.STRING
            return [text.decode() for text in value.strings()] if is_text else list(value.numbers())
        return list(value) if isinstance(value, tuple) else value

    return {key: plain(value) for key, value in header.metadata.items()}


def assert_as_the_oracle(path: Path) -> None:
    header, oracle = read_header(path), gguf.GGUFReader(path)
    expected = {key: field.contents() for key, field in oracle.fields.items() if not key.startswith("GGUF.")}
    assert metadata_of(header) == expected
    assert header.data_offset == oracle.data_offset
    found = [(tensor.name, tensor.shape, tensor.size_bytes, tensor.type.name) for tensor in header.tensors]
    assert found == [
        (tensor.name, tuple(map(int, tensor.shape)), int(tensor.n_bytes), tensor.tensor_type.name)
        for tensor in oracle.tensors
    ]
    places = [header.data_offset + tensor.offset for tensor in header.tensors]
    assert places == [int(tensor.data_offset) for tensor in oracle.tensors]


def test_every_type_of_metadata_is_read_as_the_oracle_does(tmp_path: Path) -> None:
    write_every_type(tmp_path / "types.gguf")
    assert_as_the_oracle(tmp_path / "types.gguf")


def test_gemma4_files_are_read_as_the_oracle_does(tmp_path: Path) -> None:
    for shape in (SMALL, EXPERTS):
        assert_as_the_oracle(gemma4_file(shape).write(tmp_path / f"{shape.name}.gguf"))


def test_the_table_of_tensor_types_is_the_oracles() -> None:
    ours = {number: (kind.name, kind.block_size, kind.block_bytes) for number, kind in TENSOR_TYPES.items()}
    known = {int(kind): (kind.name, *size) for kind, size in gguf.GGML_QUANT_SIZES.items()}
    known[9] = ("Q8_1", 32, 36)  # the oracle says 40, but block_q8_1 is two halves and 32 bytes (ggml-common.h)
    assert {number: ours[number] for number in known} == known
    assert {number: ours[number] for number in set(ours) - set(known)} in ({}, {42: ("Q2_0", 64, 18)})


# What a header says


def test_version_2_is_read_too() -> None:
    data = bytearray(SMALL_FILE)
    data[4] = 2
    assert parse(bytes(data)).version == 2


def test_a_split_file_says_so() -> None:
    data = file_of({"split.count": struct.pack("<IH", 2, 3), "split.no": struct.pack("<IH", 2, 1)})
    assert parse(data).split == Split(1, 3)
    assert parse(SMALL_FILE).split is None


def test_text_that_is_not_utf8_stays_readable() -> None:
    data = file_of({"general.name": struct.pack("<IQ", 8, 2) + b"a\xff"})
    assert parse(data).metadata["general.name"] == "a\\xff"


def test_few_reads_are_made(tmp_path: Path) -> None:
    path = gemma4_file().write(tmp_path / "small.gguf")
    data, reads = path.read_bytes(), list[tuple[int, int]]()

    def read(offset: int, length: int) -> bytes:
        reads.append((offset, length))
        return data[offset : offset + length]

    parse_header(read, len(data))
    assert reads == [(0, 65_536)]


def test_long_arrays_of_numbers_are_not_read() -> None:
    numbers = struct.pack("<IIQ", 9, 5, 10_000_000)
    data = file_of({"a": numbers, "b": int_value(7)})
    value = len(data) - len(string("b") + int_value(7))
    reads: list[tuple[int, int]] = []

    def read(offset: int, length: int) -> bytes:
        reads.append((offset, length))
        if offset < value:
            return data[:value]
        return data[value:]

    header = parse_header(read, None)
    assert header.metadata["b"] == 7
    assert header.metadata["a"] == LongArray(ValueType.INT32, 10_000_000, value, 40_000_000, read)
    assert len(reads) == 2


def test_a_long_array_knows_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "types.gguf"
    write_every_type(path)
    metadata = read_header(path).metadata
    texts, numbers = metadata["long.texts"], metadata["long.ints"]
    assert isinstance(texts, LongArray) and isinstance(numbers, LongArray)
    assert texts.strings()[-1] == f"t{MAX_KEPT_ITEMS}".encode()
    with pytest.raises(InvalidModelFile, match="holds strings"):
        texts.numbers()
    with pytest.raises(InvalidModelFile, match="holds INT32"):
        numbers.strings()


# What is wrong with a file


def test_every_truncation_is_found() -> None:
    assert len(parse(SMALL_FILE).tensors) == 2
    for length in range(len(SMALL_FILE)):
        with pytest.raises(InvalidModelFile):
            parse(SMALL_FILE[:length])


def test_truncation_is_found_without_knowing_the_size() -> None:
    header_end = parse(SMALL_FILE).data_offset - 32
    for length in range(header_end):
        with pytest.raises(InvalidModelFile):
            parse_header(reading(SMALL_FILE[:length]), None)


def test_missing_data_is_counted(tmp_path: Path) -> None:
    path = write_truncated(tmp_path / "cut.gguf", 1000)
    with pytest.raises(InvalidModelFile, match=r"cut\.gguf: the file is incomplete: .* bytes are missing of") as raised:
        read_header(path)
    assert raised.value.hint == "download it again"
    with pytest.raises(InvalidModelFile, match=r"7 bytes are missing of 740, tensor blk\.0\.scale is cut off"):
        parse(SMALL_FILE[:-7])


def test_a_text_file_is_not_gguf(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelFile, match=r"page\.gguf: this is not a GGUF file: it begins with b'<!DO'"):
        read_header(write_text(tmp_path / "page.gguf"))


MALFORMED = {
    "empty": (b"", "the file ends at byte 0, in the middle of the first 4 bytes"),
    "version 1": (b"GGUF" + struct.pack("<I", 1), "GGUF version 1 at byte 4"),
    "version 4": (b"GGUF" + struct.pack("<I", 4), "GGUF version 4 at byte 4"),
    "big endian": (b"GGUF" + struct.pack(">I", 3), "big-endian"),
    "many tensors": (b"GGUF" + struct.pack("<IQQ", 3, MAX_TENSORS + 1, 0), "tensors at byte 8, more than"),
    "many entries": (b"GGUF" + struct.pack("<IQQ", 3, 0, MAX_ENTRIES + 1), "entries at byte 16, more than"),
    "empty key": (file_of({"": int_value(1)}), "the metadata key '' at byte 24 is empty"),
    "unknown type": (file_of({"a": struct.pack("<II", 13, 0)}), "the type 13 of a at byte 33 is unknown"),
    "nested array": (file_of({"a": struct.pack("<IIQ", 9, 9, 1)}), "a at byte 49 is an array of arrays"),
    "long string": (file_of({"a": struct.pack("<IQ", 8, 1 << 62)}), "a at byte 45 is too large"),
    "long array": (file_of({"a": struct.pack("<IIQ", 9, 5, 1 << 60)}), "the file ends before a does"),
    "many strings": (file_of({"a": struct.pack("<IIQ", 9, 8, MAX_STRINGS + 1)}), "more than any vocabulary"),
    "alignment 0": (file_of({"general.alignment": int_value(0)}), "general.alignment is 0"),
    "alignment 48": (file_of({"general.alignment": int_value(48)}), "48, not a power of two"),
    "alignment large": (file_of({"general.alignment": int_value(1 << 31)}), "not a small power of two"),
    "alignment text": (file_of({"general.alignment": text_value("32")}), "general.alignment is '32'"),
    "long name": (file_of({}, tensor_line("x" * 64), 1), "has a name of 64 bytes"),
    "rank 5": (file_of({}, tensor_line(shape=(1,) * 5), 1), "the tensor x at byte 24 has 5 dimensions"),
    "rank huge": (file_of({}, string("x") + struct.pack("<I", 1 << 31), 1), "dimensions, more than 4"),
    "overflow": (file_of({}, tensor_line(shape=(1 << 32, 1 << 32)), 1), "more elements than any machine can count"),
    "negative": (file_of({}, tensor_line(shape=(0, 1 << 63)), 1), "more elements than any machine can count"),
    "type 4": (file_of({}, tensor_line(kind=4), 1), "is of type 4, which this version does not know"),
    "type 999": (file_of({}, tensor_line(kind=999), 1), "is of type 999, which this version does not know"),
    "half a block": (
        file_of({}, tensor_line(shape=(48,), kind=8), 1),
        "48 elements, not whole Q8_0 blocks of 32",
    ),
    "twin tensors": (file_of({}, tensor_line() + tensor_line(), 2), "the tensor x at byte 57 appears twice"),
    "far away": (file_of({}, tensor_line(offset=(1 << 64) - 1), 1) + bytes(500), "the file is incomplete"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_explained(name: str) -> None:
    data, message = MALFORMED[name]
    with pytest.raises(InvalidModelFile) as raised:
        parse(data)
    assert message in raised.value.message
    assert not raised.value.message.endswith(".")


def test_a_key_that_appears_twice_is_found() -> None:
    twice = file_of({"a": int_value(1), "b": int_value(1)}).replace(b"b", b"a")
    with pytest.raises(InvalidModelFile, match="the metadata key 'a' at byte 41 appears twice"):
        parse(twice)


def test_what_is_kept_in_memory_is_bounded() -> None:
    item = struct.pack("<IIQ", 9, ValueType.INT8, MAX_KEPT_ITEMS) + b"\x80" * MAX_KEPT_ITEMS
    data = file_of({f"key{index}": item for index in range(1100)})
    with pytest.raises(InvalidModelFile, match=r"at byte 41[0-9]{5} is too large for a header"):
        parse(data)


def test_endless_empty_strings_are_walked_past() -> None:
    start = file_of({"a": struct.pack("<IIQ", 9, 8, MAX_STRINGS)})
    count = struct.pack("<Q", 2)
    start = start[:16] + count + start[24:]
    with pytest.raises(InvalidModelFile, match="the metadata key '' at byte 32000049 is empty"):
        parse_header(lambda offset, length: (start[offset:] + bytes(length))[:length], None)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=400))
def test_noise_after_the_magic_raises_only_our_error(noise: bytes) -> None:
    for data in (noise, b"GGUF" + noise, SMALL_FILE[:24] + noise):
        for size in (len(data), None):
            try:
                parse_header(reading(data), size)
            except InvalidModelFile as error:
                assert error.message


@settings(max_examples=600, deadline=None)
@given(st.integers(0, len(SMALL_FILE) - 1), st.binary(min_size=1, max_size=9))
def test_overwritten_bytes_raise_only_our_error(place: int, change: bytes) -> None:
    data = (SMALL_FILE[:place] + change + SMALL_FILE[place + len(change) :])[: len(SMALL_FILE)]
    for size in (len(data), None):
        try:
            header = parse_header(reading(data), size)
        except InvalidModelFile:
            continue
        assert all(tensor.size_bytes >= 0 for tensor in header.tensors)


def test_every_flipped_byte_raises_only_our_error() -> None:
    for place in range(parse(SMALL_FILE).data_offset):
        for flip in (0x01, 0x80, 0xFF):
            data = bytearray(SMALL_FILE)
            data[place] ^= flip
            try:
                parse(bytes(data))
            except InvalidModelFile as error:
                assert error.message
