import json
from datetime import UTC
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from g4run.errors import DamagedRecord
from g4run.models.quantizations import FileRole
from g4run.models.store.format import parse_record, render_record
from g4run.models.store.records import Origin, Record, StoredFile, Summary
from tests.fakes.stores import settings_in

TEXTS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=20).filter(str.isprintable)
PATHS = st.lists(st.from_regex(r"[A-Za-z0-9_ äß日.-]{0,8}[A-Za-z0-9]", fullmatch=True), min_size=1, max_size=4)
NUMBERS = st.integers(0, 2**63 - 1)
DIGESTS = st.none() | st.text("0123456789abcdef", min_size=64, max_size=64)
SETTINGS = settings_in(Path("/nowhere").absolute())
FILES = st.builds(
    StoredFile,
    role=st.sampled_from(FileRole),
    path=st.builds(
        lambda directory, parts: directory.joinpath(*parts),
        st.sampled_from([SETTINGS.hub_cache, SETTINGS.data_directory, Path("/models").absolute()]),
        PATHS,
    ),
    size_bytes=NUMBERS,
    sha256=DIGESTS,
    origin=st.sampled_from(Origin),
    repository=st.none() | TEXTS,
    commit=st.none() | TEXTS,
    repository_path=st.none() | TEXTS,
)
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
RECORDS = st.builds(
    Record,
    name=TEXTS,
    files=st.lists(FILES, min_size=1, max_size=4)
    .map(tuple)
    .filter(lambda files: any(file.role is FileRole.MODEL for file in files)),
    summary=st.builds(
        Summary,
        size_label=TEXTS,
        parameters=NUMBERS,
        context_length=NUMBERS,
        quantization=TEXTS,
        has_thinking=st.booleans(),
    ),
    repository=st.none() | TEXTS,
    commit=st.none() | TEXTS,
    requested_revision=st.none() | TEXTS,
    created_at=TIMES,
    modified_at=TIMES,
)


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert parse_record(render_record(record, SETTINGS), SETTINGS) == record


@given(RECORDS, st.data())
def test_a_damaged_record_is_an_error_and_nothing_worse(record: Record, data: st.DataObject) -> None:
    content = bytearray(render_record(record, SETTINGS))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=3))
        content = content or bytearray(b"x")
    try:
        parse_record(bytes(content), SETTINGS)
    except DamagedRecord as error:
        assert error.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(RECORDS, JSON, st.data())
def test_a_field_of_another_kind_is_an_error_and_nothing_worse(
    record: Record, value: object, data: st.DataObject
) -> None:
    document = json.loads(render_record(record, SETTINGS))
    place = data.draw(st.sampled_from([document, document["summary"], document["files"][0]]))
    place[data.draw(st.sampled_from(sorted(place)))] = value
    try:
        parsed = parse_record(json.dumps(document).encode(), SETTINGS)
    except DamagedRecord as error:
        assert error.message
    else:
        assert parse_record(render_record(parsed, SETTINGS), SETTINGS) == parsed
