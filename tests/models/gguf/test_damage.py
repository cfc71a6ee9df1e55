import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.errors import InvalidModelFile
from g4run.models.gguf.cursor import MAX_STRINGS
from g4run.models.gguf.header import MAX_ENTRIES, MAX_KEPT_ITEMS, MAX_TENSORS, parse_header, read_header
from g4run.models.gguf.types import ValueType
from scripts.shapes.metadata import int_value, string, text_value
from tests.fakes.gguf_files import write_text, write_truncated
from tests.models.gguf.headers import SMALL_FILE, file_of, parse, reading


def tensor_line(name: str = "x", shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


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
    with pytest.raises(InvalidModelFile, match=r"cut\.gguf: the file is incomplete: .* bytes are missing") as raised:
        read_header(path)
    assert raised.value.hint == "download it again"
    with pytest.raises(InvalidModelFile, match=r"7 of 740 bytes are missing, and tensor blk\.0\.scale is cut off"):
        parse(SMALL_FILE[:-7])


def test_a_text_file_is_not_gguf(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelFile, match=r"page\.gguf: this is not a GGUF file but a web page"):
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
    "long array": (file_of({"a": struct.pack("<IIQ", 9, 5, 1 << 60)}), "the file is too short: a would end"),
    "many strings": (file_of({"a": struct.pack("<IIQ", 9, 8, MAX_STRINGS + 1)}), "more than any vocabulary"),
    "alignment 0": (file_of({"general.alignment": int_value(0)}), "general.alignment is 0"),
    "alignment 48": (file_of({"general.alignment": int_value(48)}), "48, not a power of two"),
    "alignment large": (file_of({"general.alignment": int_value(1 << 31)}), "not a number between 1 and 1048576"),
    "alignment text": (file_of({"general.alignment": text_value("32")}), "general.alignment is '32'"),
    "long name": (file_of({}, tensor_line("x" * 64), 1), "has a name of 64 bytes"),
    "rank 5": (file_of({}, tensor_line(shape=(1,) * 5), 1), "the tensor x at byte 24 has 5 dimensions"),
    "rank huge": (file_of({}, string("x") + struct.pack("<I", 1 << 31), 1), "dimensions, more than 4"),
    "overflow": (file_of({}, tensor_line(shape=(1 << 32, 1 << 32)), 1), "too many elements"),
    "negative": (file_of({}, tensor_line(shape=(0, 1 << 63)), 1), "too many elements"),
    "type 4": (file_of({}, tensor_line(kind=4), 1), "has the unknown type 4"),
    "type 999": (file_of({}, tensor_line(kind=999), 1), "has the unknown type 999"),
    "half a block": (
        file_of({}, tensor_line(shape=(48,), kind=8), 1),
        "48 elements, not a multiple of 32 (Q8_0)",
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


def test_a_duplicate_key_is_refused() -> None:
    twice = file_of({"a": int_value(1), "b": int_value(1)}).replace(b"b", b"a")
    with pytest.raises(InvalidModelFile, match="the metadata key 'a' at byte 41 appears twice"):
        parse(twice)


def test_kept_memory_is_bounded() -> None:
    item = struct.pack("<IIQ", 9, ValueType.INT8, MAX_KEPT_ITEMS) + b"\x80" * MAX_KEPT_ITEMS
    data = file_of({f"key{index}": item for index in range(8800)})
    with pytest.raises(InvalidModelFile, match=r"at byte 2[0-9]{6} is too large for a header"):
        parse(data)


def test_empty_strings_are_skipped() -> None:
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
