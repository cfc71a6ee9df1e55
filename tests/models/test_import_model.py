import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from g4run.errors import InvalidModelFile, ModelNotFound, UsageError
from g4run.models.import_model import import_file
from g4run.models.library import DEMO_PATH
from g4run.models.store.records import Origin, Record, Summary
from g4run.models.store.removal import remove
from g4run.models.store.store import Store
from scripts.shapes.metadata import int_value, text_value
from tests.fakes.gguf_files import (
    SMALL,
    foreign_file,
    gemma4_file,
    split_file,
    write_parts,
    write_text,
    write_truncated,
)
from tests.fakes.stores import (
    COMMIT,
    REPOSITORY,
    FakeCache,
    add_ollama_model,
    digest_of,
    downloaded,
    flip_last_byte,
    record_of,
    write_model,
    write_projector,
)


def lengthen(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 64)


def place_of(record: Record) -> tuple[Origin, str | None, str | None, str | None]:
    file = record.files[0]
    return file.origin, file.repository, file.commit, file.repository_path


def test_a_file_is_used_where_it_is(store: Store, model: Path) -> None:
    record = import_file(store, model)
    assert store.records() == (record,)
    assert record.name == "gemma-4-small_q8_0"
    assert record.path == model
    assert record.digest == digest_of(model)
    assert place_of(record) == (Origin.LINKED, None, None, None)
    assert record.summary == Summary("small", record.summary.parameters, 4096, "Q8_0", True)
    assert record.summary.parameters > 1000
    assert not (store.settings.data_directory / "files").exists()


@pytest.mark.skipif(not DEMO_PATH.exists(), reason="the built-in model was not built")
def test_the_built_in_models_file_can_be_imported(store: Store) -> None:
    record = import_file(store, DEMO_PATH, "my-demo")
    assert (record.path, record.size_bytes) == (DEMO_PATH, DEMO_PATH.stat().st_size)


def test_the_header_says_the_quantization_where_the_name_does_not(store: Store, tmp_path: Path) -> None:
    file = gemma4_file(SMALL).having("general.file_type", int_value(15))
    assert import_file(store, file.write(tmp_path / "a.gguf")).summary.quantization == "Q4_K_M"
    unknown = file.lacking("general.file_type")
    assert import_file(store, unknown.write(tmp_path / "b.gguf")).summary.quantization == "unknown"


def test_a_relative_path_is_kept_whole(store: Store, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    assert import_file(store, Path(model.name), "mine").path == model


def test_the_same_again_changes_nothing(store: Store, model: Path) -> None:
    os.utime(model, (1e9, 1e9))
    record = import_file(store, model, "mine")
    read: list[Path] = []
    assert import_file(store, model, "Mine", on_progress=lambda path, done: read.append(path)) == record
    assert read == []
    assert store.records() == (record,)


def test_a_file_that_changed_is_read_again(store: Store, model: Path) -> None:
    before = import_file(store, model, "mine")
    flip_last_byte(model)
    os.utime(model, (time.time() + 1, time.time() + 1))
    after = import_file(store, model, "mine")
    assert after.digest == digest_of(model) != before.digest
    assert after.created_at == before.created_at


def test_another_name_for_the_same_file(store: Store, model: Path) -> None:
    assert import_file(store, model, "one").id == import_file(store, model, "two").id
    assert len(store.records()) == 2


def test_a_name_that_stands_for_another_file_is_refused(store: Store, model: Path, tmp_path: Path) -> None:
    record = import_file(store, model, "mine")
    for number, change in enumerate((flip_last_byte, lengthen)):
        other = tmp_path / f"other{number}.gguf"
        shutil.copyfile(model, other)
        change(other)
        with pytest.raises(UsageError) as raised:
            import_file(store, other, "mine")
        assert raised.value.message == f"mine is already the name of another file: {model}"
        assert raised.value.hint == "choose another name: --name my-gemma"
    assert store.records() == (record,)


def test_a_file_that_moved_is_found_again(store: Store, model: Path, tmp_path: Path) -> None:
    record = import_file(store, model, "mine")
    moved = tmp_path / "moved.gguf"
    model.replace(moved)
    again = import_file(store, moved, "mine")
    assert (again.path, again.digest, again.created_at) == (moved, record.digest, record.created_at)


@pytest.mark.parametrize("name", ["demo", "gemma4:26b", "./x", "a b"])
def test_a_name_must_be_free_to_use(store: Store, model: Path, name: str) -> None:
    with pytest.raises(UsageError):
        import_file(store, model, name)
    assert store.records() == ()


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("gemma-4-E4B-it-Q4_K_M.gguf", "my-gemma-4-e4b-it-q4_k_m"),
        ("gemma-4-26B_q4_0-it.gguf", "gemma-4-26b_q4_0-it"),
        ("demo.gguf", "my-demo"),
        ("gemma4.gguf", "my-gemma4"),
        (f"gemma-4-E4B-{'x' * 90}.gguf", f"gemma-4-e4b-{'x' * 68}"),
    ],
)
def test_a_file_named_like_a_model_of_the_catalog_becomes_ones_own(
    store: Store, model: Path, file_name: str, name: str
) -> None:
    path = model.rename(model.with_name(file_name))
    assert import_file(store, path).name == name
    assert [record.name for record in store.records()] == [name]


def test_a_file_name_that_gives_no_name_asks_for_one(store: Store, model: Path) -> None:
    path = model.rename(model.with_name("日本.gguf"))
    with pytest.raises(UsageError) as raised:
        import_file(store, path)
    assert raised.value.message == "cannot make a name from 日本.gguf"
    assert raised.value.hint == "choose another name: --name my-gemma"
    assert import_file(store, path, "mine").path == path


def test_what_is_no_model_is_refused(store: Store, tmp_path: Path) -> None:
    for path, message in (
        (write_text(tmp_path / "page.gguf"), "page.gguf: this is not a GGUF file"),
        (write_truncated(tmp_path / "cut.gguf"), "cut.gguf: the file is incomplete"),
        (foreign_file("clip").write(tmp_path / "sight.gguf"), "sight.gguf: this is a projector"),
        (foreign_file("qwen3").write(tmp_path / "qwen.gguf"), "qwen.gguf: this is a model of architecture 'qwen3'"),
    ):
        with pytest.raises(InvalidModelFile) as raised:
            import_file(store, path)
        assert raised.value.message.startswith(message)
    with pytest.raises(ModelNotFound):
        import_file(store, tmp_path / "nothing.gguf")
    with pytest.raises(ModelNotFound):
        import_file(store, tmp_path)
    assert store.records() == ()
    assert not store.settings.data_directory.exists()


def test_the_one_projector_beside_it_comes_along(store: Store, model: Path) -> None:
    projector = write_projector(model.parent / "mmproj-BF16.gguf")
    record = import_file(store, model)
    assert record.projector is not None
    assert (record.projector.path, record.projector.sha256) == (projector, digest_of(projector))
    assert record.size_bytes == model.stat().st_size + projector.stat().st_size


def test_of_two_projectors_none_is_taken(store: Store, model: Path) -> None:
    for name in ("mmproj-BF16.gguf", "mmproj-F16.gguf"):
        write_projector(model.parent / name)
    assert import_file(store, model).projector is None


def test_what_only_looks_like_a_projector_is_not_taken(store: Store, model: Path) -> None:
    write_text(model.parent / "mmproj.gguf")
    assert import_file(store, model).projector is None


@pytest.mark.parametrize("given", [0, 1])
def test_all_parts_of_a_model_come_along(store: Store, tmp_path: Path, given: int) -> None:
    parts = write_parts(split_file(gemma4_file(SMALL), 10), tmp_path)
    for part in parts:
        os.utime(part, (1e9, 1e9))
    record = import_file(store, parts[given])
    assert [file.path.name for file in record.model_files] == [part.name for part in parts]
    assert len({file.path.parent for file in record.model_files}) == 1
    assert [file.sha256 for file in record.model_files] == [digest_of(part) for part in parts]
    assert "00001" not in record.name
    assert import_file(store, parts[0]) == record


def test_a_file_of_the_hugging_face_cache_keeps_its_place(store: Store, model: Path) -> None:
    pointer = FakeCache(store.settings.hub_cache).add("Q8/a.gguf", model)
    record = import_file(store, pointer, "mine")
    assert record.path == pointer
    assert place_of(record) == (Origin.FOUND, REPOSITORY, COMMIT, "Q8/a.gguf")
    assert (record.repository, record.commit) == (REPOSITORY, COMMIT)


def test_a_file_that_was_pulled_stays_ours_under_a_further_name(store: Store, model: Path) -> None:
    pointer = FakeCache(store.settings.hub_cache).add("a.gguf", model)
    store.save(record_of("gemma4:e4b", downloaded(pointer)))
    import_file(store, pointer, "mine")
    remove(store, ["gemma4:e4b"])
    assert remove(store, ["mine"])[0].freed_bytes == model.stat().st_size


def test_a_file_of_lm_studio_keeps_its_repository(store: Store) -> None:
    path = write_model(store.settings.home_directory / ".lmstudio" / "models" / "user" / "repo" / "m.gguf")
    assert place_of(import_file(store, path)) == (Origin.FOUND, "user/repo", None, "m.gguf")


def test_a_file_of_ollama_is_found_not_ours(store: Store, model: Path) -> None:
    blob = add_ollama_model(store.settings.home_directory / ".ollama" / "models", "gemma4:e4b", model)
    assert place_of(import_file(store, blob, "mine")) == (Origin.FOUND, None, None, None)


def test_a_file_that_cannot_be_read_to_its_end_is_named(store: Store, model: Path) -> None:
    projector = write_projector(model.parent / "mmproj.gguf")

    def remove_next(path: Path, done_bytes: int) -> None:
        projector.unlink(missing_ok=True)

    with pytest.raises(ModelNotFound) as caught:
        import_file(store, model, on_progress=remove_next)
    assert caught.value.message == f"cannot read {projector}: {os.strerror(errno.ENOENT)}"
    assert caught.value.hint == "check the path and its permissions"
    assert store.records() == ()


def test_a_name_that_was_taken_during_the_reading_is_refused(store: Store, model: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other.gguf")
    flip_last_byte(other)

    def take(path: Path, done_bytes: int) -> None:
        import_file(store, other, "mine")

    with pytest.raises(UsageError, match="mine is already the name of another file"):
        import_file(store, model, "mine", on_progress=take)
    assert store.get("mine").path == other


@pytest.mark.skipif(os.name == "nt", reason="a file that is being read cannot be removed here")
def test_a_file_that_goes_away_while_it_is_read_gets_no_name(store: Store, model: Path) -> None:
    with pytest.raises(ModelNotFound, match="changed while it was being read"):
        import_file(store, model, on_progress=lambda path, done_bytes: path.unlink())
    assert store.records() == ()


@pytest.mark.parametrize("folder", ["Gem\u00a0ma-GGUF", "Gem\u200bma-GGUF"])
def test_a_folder_whose_name_cannot_be_shown_spoils_no_record(store: Store, tmp_path: Path, folder: str) -> None:
    home = store.settings.home_directory
    path = write_model(home / ".lmstudio" / "models" / "someone" / folder / "m.gguf")
    record = import_file(store, path)
    assert store.read() == ((record,), ())
    assert place_of(record) == (Origin.FOUND, None, None, None)


def test_a_snapshot_whose_file_cannot_be_shown_spoils_no_record(store: Store, cache: FakeCache, model: Path) -> None:
    record = import_file(store, cache.add("a\u00a0b.gguf", model), "mine")
    assert store.read() == ((record,), ())
    assert place_of(record) == (Origin.FOUND, None, None, None)


def test_a_file_with_an_endless_label_spoils_no_record(store: Store, tmp_path: Path) -> None:
    path = gemma4_file(SMALL).having("general.size_label", text_value("é" * 900_000)).write(tmp_path / "m.gguf")
    record = import_file(store, path)
    assert store.read() == ((record,), ())
    assert record.summary.size_label == "other"
