import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from g4run.errors import InvalidModelFile, ModelNotFound
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.header import GgufHeader, parse_header, read_header
from g4run.models.gguf.loadable import check_loadable
from g4run.models.gguf.shards import MAX_PARTS, merge_headers, read_model, shard_names, shard_paths
from scripts.shapes.metadata import bool_value, int_value, text_value
from tests.fakes.gguf_files import GgufFile, gemma4_file, split_file, write_parts
from tests.models.gguf import llama_process

WHOLE = gemma4_file()
FIRST, SECOND = split_file(WHOLE, 10)


def short(number: int) -> bytes:
    return struct.pack("<IH", 2, number)


def header_of(file: GgufFile, version: int = 3) -> GgufHeader:
    data = file.header()
    data = data[:4] + struct.pack("<I", version) + data[8:]
    return parse_header(lambda offset, length: data[offset : offset + length], None)


# Names


def test_any_part_name_gives_all_parts() -> None:
    names = ("a-00001-of-00003.gguf", "a-00002-of-00003.gguf", "a-00003-of-00003.gguf")
    assert [shard_names(name) for name in names] == [names] * 3


@pytest.mark.parametrize(
    "name",
    [
        *("model.gguf", "a-00001-of-00001.gguf", "a-1-of-2.gguf", "a-00000-of-00002.gguf", "a-00003-of-00002.gguf"),
        *("-00001-of-00002.gguf", "a-00001-of-00002.GGUF", "a-00001-of-00002.gguf.part", "a-٠٠٠٠١-of-00002.gguf"),
    ],
)
def test_other_names_are_single_files(name: str) -> None:
    assert shard_names(name) == (name,)


def test_a_name_with_too_many_parts_is_refused() -> None:
    with pytest.raises(
        InvalidModelFile, match=rf"a-00001-of-00513\.gguf: the model has 513 parts, more than {MAX_PARTS}"
    ):
        shard_names("a-00001-of-00513.gguf")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    paths = write_parts(split_file(WHOLE, 10, 10), tmp_path)
    paths[1].unlink()
    for path in (paths[0], paths[2]):
        with pytest.raises(ModelNotFound) as raised:
            shard_paths(path)
        assert raised.value.message == f"part 2 of 3 is missing: {paths[1]}"


# One header


def test_merged_parts_equal_the_whole_file(tmp_path: Path) -> None:
    whole = read_header(WHOLE.write(tmp_path / "whole.gguf"))
    paths = write_parts(split_file(WHOLE, 10, 0, 20), tmp_path)
    merged = read_model(shard_paths(paths[3]))
    check_loadable(merged)
    assert [(each.name, each.shape, each.type) for each in merged.tensors] == [
        (each.name, each.shape, each.type) for each in whole.tensors
    ]
    assert (merged.parameters, merged.weights_bytes) == (whole.parameters, whole.weights_bytes)
    assert inspect_architecture(merged) == inspect_architecture(whole)
    assert merged.metadata["split.count"] == 4
    assert merged.size_bytes == sum(path.stat().st_size for path in paths)
    assert [len(part.tensors) for part in merged.parts] == [10, 0, 20, len(whole.tensors) - 30]
    assert [part.data_offset for part in merged.parts] == [read_header(path).data_offset for path in paths]


def test_a_single_file_has_no_parts(tmp_path: Path) -> None:
    path = WHOLE.write(tmp_path / "whole.gguf")
    assert read_model([path]).parts == ()
    assert read_model([path]).tensors == read_header(path).tensors


def test_a_single_part_is_refused(tmp_path: Path) -> None:
    path = FIRST.write(tmp_path / "renamed.gguf")
    with pytest.raises(
        InvalidModelFile, match="this is part 1 of a model in 2 files, and the others are missing"
    ) as raised:
        check_loadable(read_model(shard_paths(path)))
    assert "-00001-of-00002.gguf" in raised.value.hint


MALFORMED = {
    "swapped": ((SECOND, FIRST), "one: split.no is 1, but part 1 of 2 should have 0"),
    "twice the first": ((FIRST, FIRST), "two: split.no is 0, but part 2 of 2 should have 1"),
    "of three": (tuple(split_file(WHOLE, 10, 10)[:2]), "one: split.count is 3, but the name says part 1 of 2"),
    "another count": ((FIRST, SECOND.having("split.count", short(7))), "two: split.count is 7, but the name says"),
    "not split": ((WHOLE, SECOND), "one: the name says part 1 of 2, but the file is not part of a split model"),
    "wide number": (
        (FIRST, SECOND.having("split.no", int_value(1))),
        "two: split.no is of type UINT32, but llama.cpp needs UINT16",
    ),
    "number as text": ((FIRST, SECOND.having("split.no", text_value("1"))), "two: split.no is of type STRING, but"),
    "number as flag": ((FIRST, SECOND.having("split.no", bool_value(True))), "two: split.no is of type BOOL, but"),
    "two numbers": (
        (FIRST, SECOND.having("split.no", struct.pack("<IIQHH", 9, 2, 2, 1, 1))),
        "two: split.no is of type ARRAY, but llama.cpp needs UINT16",
    ),
    "no number": ((FIRST, SECOND.lacking("split.no")), "two: the metadata key split.no is missing"),
    "no first number": ((FIRST.lacking("split.no"), SECOND), "one: the metadata key split.no is missing"),
    "wide first number": ((FIRST.having("split.no", int_value(0)), SECOND), "one: split.no is of type UINT32, but"),
    "no count": ((FIRST.lacking("split.count"), SECOND), "one: the metadata key split.count is missing"),
    "wide count": ((FIRST.having("split.count", int_value(2)), SECOND), "one: split.count is of type UINT32, but"),
    "no total": ((FIRST.lacking("split.tensors.count"), SECOND), "one: the metadata key split.tensors.count is miss"),
    "unsigned total": (
        (FIRST.having("split.tensors.count", int_value(len(WHOLE.tensors))), SECOND),
        "one: split.tensors.count is of type UINT32, but llama.cpp needs INT32",
    ),
    "a tensor too few": (
        (FIRST, replace(SECOND, tensors=SECOND.tensors[1:])),
        f"one: split.tensors.count is {len(WHOLE.tensors)}, but the parts together have {len(WHOLE.tensors) - 1}",
    ),
    "a tensor twice": (
        (FIRST, replace(SECOND, tensors=(FIRST.tensors[0], *SECOND.tensors[1:]))),
        f"two: the tensor {FIRST.tensors[0].name} is also in an earlier part",
    ),
    "another architecture": (
        (FIRST, SECOND.having("general.architecture", text_value("llama"))),
        "two: the architecture is 'llama', but that of part 1 is 'gemma4'",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_parts_that_do_not_belong_together_are_explained(name: str) -> None:
    files, message = MALFORMED[name]
    with pytest.raises(InvalidModelFile) as raised:
        merge_headers(["one", "two"], [header_of(file) for file in files])
    assert raised.value.message.startswith(message)
    assert not raised.value.message.endswith(".")


def test_parts_of_two_versions_are_explained() -> None:
    with pytest.raises(InvalidModelFile, match="two: this is GGUF version 2, but part 1 is version 3"):
        merge_headers(["one", "two"], [header_of(FIRST), header_of(SECOND, version=2)])


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    paths = write_parts([FIRST, SECOND], tmp_path)
    with paths[1].open("r+b") as file:
        file.truncate(paths[1].stat().st_size - 1000)
    with pytest.raises(InvalidModelFile, match=r"model-00002-of-00002\.gguf: the file is incomplete: 1000 of"):
        read_model(paths)


def test_a_hole_in_a_later_part_is_found() -> None:
    headers = [header_of(FIRST), header_of(SECOND)]
    moved = structs.replace(headers[1].tensors[0], offset=32)
    merged = merge_headers(
        ["one", "two"], [headers[0], structs.replace(headers[1], tensors=(moved, *headers[1].tensors[1:]))]
    )
    with pytest.raises(InvalidModelFile, match=f"tensor {moved.name} starts at byte 32 of the data"):
        check_loadable(merged)


# As the process of llama.cpp sees it
@pytest.mark.parametrize("name", ["wide number", "number as text", "two numbers"])
def test_llama_cpp_would_have_crashed(name: str, tmp_path: Path) -> None:
    paths = write_parts(MALFORMED[name][0], tmp_path)
    assert llama_process.run("decode", str(paths[0]), "256").has_crashed


def test_llama_cpp_runs_a_sound_model_in_parts(tmp_path: Path) -> None:
    paths = write_parts(split_file(WHOLE, 0, 10), tmp_path)
    check_loadable(read_model(paths))
    assert llama_process.run("decode", str(paths[0]), "256") == llama_process.Outcome(False, ("finite",))


FIRST_HEADER, SECOND_DATA = header_of(FIRST), SECOND.header()


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(SECOND_DATA) - 1), st.binary(min_size=1, max_size=8))
def test_overwritten_bytes_of_a_part_raise_only_our_error(place: int, change: bytes) -> None:
    data = SECOND_DATA[:place] + change + SECOND_DATA[place + len(change) :]
    try:
        second = parse_header(lambda offset, length: data[offset : offset + length], None)
        merged = merge_headers(["one", "two"], [FIRST_HEADER, second])
        check_loadable(merged)
    except InvalidModelFile as error:
        assert error.message
