import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.errors import DamagedRecord, ModelNotFound, NotWritable
from g4run.models.quantizations import FileRole
from g4run.models.store.format import parse_entry, render_entry
from g4run.models.store.records import Entry, Origin, Record, StoredFile
from g4run.models.store.store import LONGEST_FILE_NAME, Store, file_name_of
from tests.fakes.stores import SUMMARY, TIME, record_of, settings_in


def some_record(name: str, path: str = "/models/a.gguf", modified_at: str = TIME) -> Record:
    file = StoredFile(FileRole.MODEL, Path(path).absolute(), 10, "a" * 64, Origin.LINKED)
    return record_of(name, file, modified_at=modified_at)


def test_a_missing_directory_is_an_empty_store(store: Store) -> None:
    assert (store.records(), store.read()[1], store.find("anything")) == ((), (), None)
    assert not store.directory.exists()


def test_what_is_saved_is_found_in_any_case(store: Store) -> None:
    record = some_record("hf.co/User/Repo:Q8_0")
    store.save(record)
    assert store.find("HF.co/user/repo:q8_0") == record
    assert [path.name for path in store.directory.glob("*.json")] == ["hf.co%2Fuser%2Frepo%3Aq8_0.json"]


def test_the_last_changed_comes_first(store: Store) -> None:
    for name, day in (("b", 2), ("a", 2), ("c", 3), ("d", 1)):
        store.save(some_record(name, modified_at=f"2026-01-0{day}T00:00:00+00:00"))
    assert [record.name for record in store.records()] == ["c", "a", "b", "d"]


def test_saving_again_replaces(store: Store) -> None:
    store.save(some_record("a"))
    changed = some_record("A", "/models/other.gguf")
    store.save(changed)
    assert store.records() == (changed,)


def test_a_removed_name_is_gone_and_removing_it_again_is_fine(store: Store) -> None:
    store.save(some_record("a"))
    store.remove("A")
    store.remove("a")
    assert store.records() == ()


def test_an_unknown_name_comes_with_its_neighbours(store: Store) -> None:
    store.save(some_record("my-gemma"))
    with pytest.raises(ModelNotFound) as raised:
        store.get("my-gema")
    assert (raised.value.message, raised.value.hint) == ("there is no model named my-gema", "did you mean my-gemma?")
    with pytest.raises(ModelNotFound) as raised:
        store.get("qqqqqq")
    assert raised.value.hint == "`g4run list` shows the names"


def test_paths_follow_a_moved_cache_and_a_moved_data_directory(tmp_path: Path) -> None:
    before, after = settings_in(tmp_path / "before"), settings_in(tmp_path / "after")
    inside = StoredFile(FileRole.MODEL, before.hub_cache / "models--a--b" / "x.gguf", 1, None, Origin.DOWNLOADED)
    copied = StoredFile(FileRole.PROJECTOR, before.data_directory / "files" / "y.gguf", 1, None, Origin.COPIED)
    outside = StoredFile(FileRole.DRAFTER, tmp_path / "z.gguf", 1, None, Origin.LINKED)
    entry = Entry("a", record_of("a", inside, copied, outside))
    moved = parse_entry(render_entry(entry, before), after).record
    assert moved is not None
    assert [file.path for file in moved.files] == [
        after.hub_cache / "models--a--b" / "x.gguf",
        after.data_directory / "files" / "y.gguf",
        tmp_path / "z.gguf",
    ]


def test_what_a_record_says_of_itself() -> None:
    weights = [StoredFile(FileRole.MODEL, Path(f"{n}.gguf"), n, str(n) * 64, Origin.LINKED) for n in (1, 2)]
    projector = StoredFile(FileRole.PROJECTOR, Path("p.gguf"), 4, None, Origin.LINKED)
    record = record_of("a", projector, *weights)
    assert (record.path, record.size_bytes, record.digest, record.id) == (Path("1.gguf"), 7, "1" * 64, "1" * 12)
    assert (record.projector, record.drafter, record.model_files) == (projector, None, tuple(weights))
    unhashed = record_of("a", replace(weights[0], sha256=None))
    assert len(unhashed.id) == 12
    assert unhashed.id != replace(unhashed, name="b").id


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "con.x", "...", "a:b", "a/../b", "ü" * 90, "%41", "a" * 250])
def test_every_name_has_a_file_of_its_own_on_every_system(store: Store, name: str) -> None:
    file_name = file_name_of(name)
    assert file_name.isascii()
    assert not set(file_name) & set('/\\:*?"<>|')
    assert len(file_name) <= LONGEST_FILE_NAME + len(".json")
    assert file_name.partition(".")[0].lower() not in {"con", "nul", "com1"}
    store.save(some_record(name))
    store.save(some_record(name + "x"))
    found = store.find(name)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it is damaged: Expected `object`, got `array`"),
        ("{}", "it is damaged: Object missing required field `version`"),
        ('{"version": 2}', "it was written by a newer version of g4run (format 2)"),
        ('{"version": true}', "it is damaged: Expected `int`, got `bool` - at `$.version`"),
        ('{"version": 1, "name": "a", "files": []}', "it lists no model file"),
        ('{"version": 1, "name": "a", "files": [7]}', "it is damaged: Expected `object`, got `int` - at `$.files[0]`"),
    ],
)
def test_a_damaged_file_is_reported_and_stands_in_nobodys_way(store: Store, content: str, problem: str) -> None:
    store.save(some_record("good"))
    path = store.directory / "bad%3Aone.json"
    path.write_text(content)
    assert [record.name for record in store.records()] == ["good"]
    assert [(entry.name, entry.path, entry.problem) for entry in store.read()[1]] == [("bad:one", path, problem)]
    with pytest.raises(DamagedRecord) as raised:
        store.find("bad:one")
    assert raised.value.message == f"cannot read the record of bad:one: {problem} ({path})"
    assert raised.value.hint.startswith("g4run rm bad:one")
    store.save(some_record("bad:one"))
    assert store.read()[1] == ()


def test_a_name_that_cannot_be_shown_is_damage(store: Store) -> None:
    store.save(some_record("a"))
    path = store.path_of("a")
    path.write_text(path.read_text().replace('"name": "a"', '"name": "\\u001b[31m"'))
    assert [entry.problem for entry in store.read()[1]] == ["it has unprintable characters"]


@pytest.mark.parametrize("moment", ["2026-11-21", "2026-11-21T10:00:00", "yesterday"])
def test_a_moment_that_cannot_be_compared_is_damage(store: Store, moment: str) -> None:
    store.save(some_record("old"))
    path = store.path_of("old")
    path.write_text(path.read_text().replace(f'"modified_at": "{TIME}"', f'"modified_at": "{moment}"'))
    assert [entry.problem for entry in store.read()[1]] == [
        "it is damaged: Expected a time with its distance from UTC - at `$.modified_at`"
    ]


def test_the_last_changed_comes_first_wherever_its_clock_stands(store: Store) -> None:
    store.save(replace(some_record("first"), modified_at="2026-11-21T12:00:00+05:00"))
    store.save(replace(some_record("last"), modified_at="2026-11-21T10:00:00Z"))
    assert [record.name for record in store.records()] == ["last", "first"]


def test_a_directory_in_the_place_of_a_record_is_left_alone(store: Store) -> None:
    (store.path_of("folder") / "precious").mkdir(parents=True)
    assert [entry.problem for entry in store.read()[1]] == ["it is not a regular file"]
    with pytest.raises(DamagedRecord) as raised:
        store.find("folder")
    assert raised.value.hint.startswith("move that directory away")
    with pytest.raises(NotWritable) as refused:
        store.remove("folder")
    assert refused.value.hint.startswith("move that directory away")
    assert (store.path_of("folder") / "precious").is_dir()


def test_a_file_that_is_far_too_large_is_not_read(store: Store) -> None:
    store.save(some_record("good"))
    with store.path_of("large").open("wb") as file:
        file.truncate(1 << 40)
    assert [entry.problem for entry in store.read()[1]] == ["it is too large for a record: 1.1 TB"]
    store.remove("large")
    assert store.read()[1] == ()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs permissions that hold")
def test_a_record_that_may_not_be_read_is_not_to_be_removed(store: Store) -> None:
    store.save(some_record("secret"))
    store.path_of("secret").chmod(0)
    with pytest.raises(DamagedRecord) as raised:
        store.find("secret")
    assert raised.value.hint == "check its permissions"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_in_the_place_of_a_record_stops_nobody(store: Store) -> None:
    store.save(some_record("good"))
    os.mkfifo(store.path_of("pipe"))
    assert [record.name for record in store.records()] == ["good"]
    store.remove("pipe")
    assert store.read()[1] == ()


@pytest.mark.parametrize("path", ["../../x.gguf", "/etc/passwd", ""])
def test_a_path_does_not_leave_its_directory(store: Store, path: str) -> None:
    document = json.loads(render_entry(Entry("a", some_record("a")), store.settings))
    document["files"][0] |= {"place": "hub_cache", "path": path}
    store.directory.mkdir(parents=True)
    (store.directory / "a.json").write_text(json.dumps(document))
    assert len(store.read()[1]) == 1


def test_a_record_under_another_names_file_is_damaged(store: Store) -> None:
    store.save(some_record("a"))
    (store.directory / "a.json").replace(store.directory / "b.json")
    assert [(entry.name, entry.problem) for entry in store.read()[1]] == [("b", "it is the record of a")]


def test_unknown_fields_are_ignored(store: Store) -> None:
    record = some_record("a")
    document = json.loads(render_entry(Entry("a", record), store.settings))
    document["later"] = document["files"][0]["later"] = {"x": 1}
    assert parse_entry(json.dumps(document).encode(), store.settings).record == record


def test_what_would_move_the_terminals_cursor_is_not_kept(store: Store) -> None:
    file = some_record("a").files[0]
    store.save(replace(record_of("a", file), summary=replace(SUMMARY, size_label="\x1b[2Jbig")))
    found = store.find("a")
    assert found is not None
    assert found.summary.size_label == "?[2Jbig"


def test_what_a_killed_writer_left_is_not_seen_and_is_cleared_away(store: Store) -> None:
    store.save(some_record("a"))
    left = store.directory / ".12-ab.tmp"
    left.write_text("{half")
    assert len(store.records()) == 1
    assert store.read()[1] == ()
    store.save(some_record("b"))
    assert not left.exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_directory_that_cannot_be_written_says_so(store: Store) -> None:
    store.save(some_record("a"))
    (store.directory / ".lock").chmod(0o444)
    store.directory.chmod(0o555)
    try:
        with pytest.raises(NotWritable, match="cannot write"):
            store.save(some_record("b"))
        assert [record.name for record in store.records()] == ["a"]
    finally:
        store.directory.chmod(0o755)


def test_a_file_where_the_directory_should_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    store = Store(settings_in(tmp_path))
    with pytest.raises(NotWritable) as raised:
        store.save(some_record("a"))
    assert "G4RUN_HOME" in raised.value.hint
    with pytest.raises(DamagedRecord):
        store.records()
