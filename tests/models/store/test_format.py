import json
from datetime import UTC
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from g4run.errors import DamagedRecord
from g4run.models.quantizations import FileRole
from g4run.models.store.format import parse_entry, render_entry
from g4run.models.store.records import Entry, Origin, Record, StoredFile, Summary
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
    modified_ns=st.none() | NUMBERS,
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


ENTRIES = st.builds(
    lambda record, is_complete, pulling: Entry(record.name, record if is_complete or not pulling else None, pulling),
    RECORDS,
    st.booleans(),
    st.lists(FILES, max_size=3).map(tuple),
)


@given(ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert parse_entry(render_entry(entry, SETTINGS), SETTINGS) == entry


@given(ENTRIES, st.data())
def test_a_damaged_record_is_an_error_and_nothing_worse(entry: Entry, data: st.DataObject) -> None:
    content = bytearray(render_entry(entry, SETTINGS))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=3))
        content = content or bytearray(b"x")
    try:
        parse_entry(bytes(content), SETTINGS)
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
    document = json.loads(render_entry(Entry(record.name, record), SETTINGS))
    place = data.draw(st.sampled_from([document, document["summary"], document["files"][0]]))
    place[data.draw(st.sampled_from(sorted(place)))] = value
    try:
        parsed = parse_entry(json.dumps(document).encode(), SETTINGS)
    except DamagedRecord as error:
        assert error.message
    else:
        assert parse_entry(render_entry(parsed, SETTINGS), SETTINGS) == parsed


# Written by g4run 0.1.0: a complete model, with a copy in the data directory and a file of an unprintable encoding.
OLD = """{
 "version": 1, "name": "gemma4:e4b", "repository": "user/repo", "commit": "c1", "requested_revision": null,
 "created_at": "2026-11-20T10:00:00.123456+00:00", "modified_at": "2026-11-21T10:00:00+00:00",
 "summary": {"size_label": "E4B", "parameters": 5, "context_length": 131072, "quantization": "Q4_0",
  "has_thinking": true},
 "files": [
  {"role": "model", "place": "hub_cache", "path": "models--user--repo/snapshots/c1/a.gguf", "size_bytes": 7,
   "sha256": "%s", "origin": "downloaded", "repository": "user/repo", "commit": "c1", "repository_path": "a.gguf"},
  {"role": "projector", "place": "data", "path": "files/abc/p.gguf", "size_bytes": 8,
   "sha256": null, "origin": "copied", "repository": null, "commit": null, "repository_path": null},
  {"role": "drafter", "place": "absolute", "path": "/models/\\udcff.gguf", "size_bytes": 9,
   "sha256": null, "origin": "linked", "repository": null, "commit": null, "repository_path": null}
 ]
}"""


def test_a_record_of_the_first_version_is_read() -> None:
    entry = parse_entry((OLD % ("a" * 64)).encode(), SETTINGS)
    assert entry.record is not None
    assert (entry.name, entry.pulling, entry.record.size_bytes, entry.record.digest) == ("gemma4:e4b", (), 24, "a" * 64)
    assert (entry.record.created_at, entry.record.commit) == ("2026-11-20T10:00:00.123456+00:00", "c1")
    assert [file.path for file in entry.record.files] == [
        SETTINGS.hub_cache / "models--user--repo" / "snapshots" / "c1" / "a.gguf",
        SETTINGS.data_directory / "files" / "abc" / "p.gguf",
        Path("/models/\udcff.gguf"),
    ]
    assert [file.origin for file in entry.record.files] == [Origin.DOWNLOADED, Origin.COPIED, Origin.LINKED]
    assert parse_entry(render_entry(entry, SETTINGS), SETTINGS) == entry
