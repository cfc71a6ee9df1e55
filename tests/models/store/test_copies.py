import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from g4run.errors import DiskFull, NotWritable, UsageError
from g4run.models.import_model import import_file
from g4run.models.store.copies import copied
from g4run.models.store.records import Origin
from g4run.models.store.removal import remove
from g4run.models.store.store import Store
from tests.fakes.stores import digest_of, flip_last_byte, write_model, write_projector


def test_a_copy_is_ours_and_whole(store: Store, model: Path) -> None:
    projector = write_projector(model.parent / "mmproj.gguf")
    done: list[tuple[str, int]] = []
    record = import_file(store, model, copy=True, on_progress=lambda path, size: done.append((path.name, size)))
    directory = store.settings.data_directory / "files"
    assert record.path == directory / digest_of(model)[:12] / model.name
    assert record.path.read_bytes() == model.read_bytes()
    assert {file.origin for file in record.files} == {Origin.COPIED}
    assert done == [(model.name, model.stat().st_size), (projector.name, projector.stat().st_size)]
    assert sorted(path.name for path in directory.rglob("*") if path.is_file()) == sorted([model.name, projector.name])


def test_copying_the_same_again_changes_nothing(store: Store, model: Path) -> None:
    record = import_file(store, model, "mine", copy=True)
    assert import_file(store, model, "mine", copy=True) == record
    assert import_file(store, model, "mine") == record, "the same weights, and ours need no other file"


def test_a_copy_that_is_stopped_leaves_nothing(store: Store, model: Path) -> None:
    write_projector(model.parent / "mmproj.gguf")

    def stop(path: Path, done_bytes: int) -> None:
        if path.name == "mmproj.gguf":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(store, model, copy=True, on_progress=stop)
    assert list((store.settings.data_directory / "files").iterdir()) == []
    assert store.records() == ()


def test_a_name_that_was_taken_during_the_copying_is_refused(store: Store, model: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other.gguf")
    flip_last_byte(other)

    def take(path: Path, done_bytes: int) -> None:
        import_file(store, other, "mine")

    with pytest.raises(UsageError, match="mine already names another file"):
        import_file(store, model, "mine", copy=True, on_progress=take)
    assert list((store.settings.data_directory / "files").iterdir()) == []
    assert store.get("mine").path == other


def test_a_copy_that_has_no_room_is_not_begun(store: Store, tmp_path: Path) -> None:
    huge = tmp_path / "huge.gguf"
    huge.touch()
    try:
        os.truncate(huge, 2 * shutil.disk_usage(tmp_path).free)
    except OSError:
        pytest.skip("there are no sparse files as large as that here")
    with pytest.raises(DiskFull) as raised, copied([huge], store.settings.data_directory):
        pass
    assert raised.value.message.startswith("the copy takes ")
    assert raised.value.hint == "import without --copy, which uses the file where it is"
    assert list((store.settings.data_directory / "files").iterdir()) == []


LIMITED = """
import resource, sys
from pathlib import Path
from g4run.errors import DiskFull
from g4run.models.import_model import import_file
from g4run.models.store.store import Store
from tests.fakes.stores import settings_in
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    import_file(Store(settings_in(Path(sys.argv[1]))), Path(sys.argv[2]), copy=True)
except DiskFull as error:
    print(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of a file's size here")
def test_a_copy_that_runs_out_of_room_leaves_nothing(store: Store, model: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, tmp_path, model], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the disk is full: ")
    assert list((store.settings.data_directory / "files").iterdir()) == []
    assert store.records() == ()


def test_a_place_that_cannot_be_written_is_told_from_a_file_that_cannot_be_read(store: Store, model: Path) -> None:
    store.settings.data_directory.mkdir(parents=True)
    (store.settings.data_directory / "files").write_bytes(b"")
    with pytest.raises(NotWritable) as caught:
        import_file(store, model, copy=True)
    assert caught.value.message.startswith(f"cannot write {store.settings.data_directory / 'files'}: ")
    assert "G4RUN_HOME" in caught.value.hint


def test_a_copy_that_is_stopped_takes_no_other_names_files_away(store: Store, model: Path) -> None:
    """Another process copies the same files meanwhile, and is done first."""
    write_projector(model.parent / "mmproj.gguf")

    def finish_first(path: Path, done_bytes: int) -> None:
        if path.name == "mmproj.gguf":
            import_file(store, model, "other", copy=True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(store, model, "mine", copy=True, on_progress=finish_first)
    assert [file.path.is_file() for file in store.get("other").files] == [True, True]


def test_a_copy_outlives_the_name_that_had_the_same_files(store: Store, model: Path) -> None:
    """Another process removes the only name of the same copies meanwhile."""
    write_projector(model.parent / "mmproj.gguf")
    import_file(store, model, "other", copy=True)

    def remove_other(path: Path, done_bytes: int) -> None:
        if path.name == "mmproj.gguf":
            remove(store, ["other"])

    record = import_file(store, model, "mine", copy=True, on_progress=remove_other)
    assert [file.path.is_file() for file in record.files] == [True, True]
