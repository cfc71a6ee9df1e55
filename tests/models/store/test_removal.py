import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir
from msgspec.structs import replace

from g4run.errors import ModelNotFound, NotWritable
from g4run.models.copy_name import copy_name
from g4run.models.hub_cache.cache import blob_of
from g4run.models.import_model import import_file
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile
from g4run.models.store.removal import KeptFile, Removal, release_files, remove
from g4run.models.store.store import Store
from tests.fakes.stores import (
    NEWER_COMMIT,
    REPOSITORY,
    FakeCache,
    digest_of,
    downloaded,
    flip_last_byte,
    hold,
    record_of,
    write_model,
    write_projector,
)

pytestmark = pytest.mark.usefixtures("whole_cache")


@pytest.fixture
def projector(tmp_path: Path) -> Path:
    return write_projector(tmp_path / "projector.gguf")


def test_the_files_of_a_name_go_with_it(store: Store, cache: FakeCache, model: Path, projector: Path) -> None:
    weights, sight = cache.add("a.gguf", model), cache.add("mmproj.gguf", projector)
    store.save(record_of("gemma4:26b", downloaded(weights), downloaded(sight, FileRole.PROJECTOR)))
    freed = model.stat().st_size + projector.stat().st_size
    assert remove(store, ["GEMMA4:26B"]) == (Removal("gemma4:26b", freed, ()),)
    assert store.records() == ()
    assert [path for path in cache.hub_cache.rglob("*") if path.is_file()] == []


def test_a_shared_file_stays_until_its_last_name_goes(store: Store, cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    store.save(record_of("gemma4:26b", downloaded(pointer)))
    copy_name(store, "gemma4:26b", "mine")
    assert remove(store, ["gemma4:26b"]) == (Removal("gemma4:26b", 0, (KeptFile(pointer, "mine also uses it"),)),)
    assert pointer.exists()
    assert remove(store, ["mine"]) == (Removal("mine", model.stat().st_size, ()),)


def test_names_that_share_a_file_and_go_together_free_it_once(store: Store, cache: FakeCache, model: Path) -> None:
    store.save(record_of("a", downloaded(cache.add("a.gguf", model))))
    copy_name(store, "a", "b")
    assert remove(store, ["a", "b", "A"]) == (Removal("a", model.stat().st_size, ()), Removal("b", 0, ()))


def test_the_same_bytes_under_another_link_stay(store: Store, cache: FakeCache, model: Path) -> None:
    old, new = cache.add("a.gguf", model), cache.add("a.gguf", model, commit=NEWER_COMMIT)
    store.save(record_of("old", downloaded(old)))
    store.save(record_of("new", downloaded(new)))
    assert remove(store, ["old"]) == (Removal("old", 0, (KeptFile(old, "new also uses it"),)),)
    assert not old.exists()
    assert remove(store, ["new"]) == (Removal("new", model.stat().st_size, ()),)


def test_another_programs_revision_keeps_the_bytes(store: Store, cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    cache.add("a.gguf", model, commit=NEWER_COMMIT)
    store.save(record_of("a", downloaded(pointer)))
    (removal,) = remove(store, ["a"])
    assert removal.kept == (KeptFile(pointer, f"another revision of {REPOSITORY} uses it"),)
    assert removal.freed_bytes == 0


@pytest.mark.parametrize(
    ("origin", "reason"),
    [(Origin.FOUND, "it was in the Hugging Face cache before"), (Origin.LINKED, "it is your own file")],
)
def test_what_is_not_ours_stays(store: Store, cache: FakeCache, model: Path, origin: Origin, reason: str) -> None:
    pointer = cache.add("a.gguf", model)
    store.save(record_of("a", downloaded(pointer, origin=origin)))
    assert remove(store, ["a"]) == (Removal("a", 0, (KeptFile(pointer, reason),)),)
    assert pointer.exists()
    assert store.records() == ()


def test_another_programs_file_stays(store: Store, tmp_path: Path) -> None:
    path = write_model(tmp_path / "home" / ".lmstudio" / "models" / "u" / "r" / "m.gguf")
    record = import_file(store, path)
    assert remove(store, [record.name])[0].kept == (KeptFile(path, "it is another program's file"),)


def copy_of(store: Store, model: Path, name: str) -> Record:
    """A name whose file g4run 0.1.0 copied into its own directory."""
    path = store.settings.data_directory / "files" / digest_of(model)[:12] / model.name
    path.parent.mkdir(parents=True)
    shutil.copyfile(model, path)
    record = record_of(name, StoredFile(FileRole.MODEL, path, path.stat().st_size, digest_of(model), Origin.COPIED))
    store.save(record)
    return record


def test_a_copy_is_removed(store: Store, model: Path) -> None:
    record = copy_of(store, model, "mine")
    assert remove(store, ["mine"]) == (Removal("mine", model.stat().st_size, ()),)
    assert not record.path.parent.exists()
    assert model.exists()


def test_nothing_outside_of_our_directories_is_removed(store: Store, model: Path) -> None:
    """A record that was edited by hand claims that the person's own file is ours."""
    for origin in (Origin.COPIED, Origin.DOWNLOADED):
        store.save(record_of("a", replace(import_file(store, model, "b").files[0], origin=origin)))
        store.remove("b")
        (removal,) = remove(store, ["a"])
        assert removal.freed_bytes == 0
        assert removal.kept[0].reason.startswith("it is not in ")
        assert model.exists()


def test_an_unknown_name_among_several_removes_nothing(store: Store, cache: FakeCache, model: Path) -> None:
    store.save(record_of("mine", downloaded(cache.add("a.gguf", model))))
    with pytest.raises(ModelNotFound) as raised:
        remove(store, ["mine", "mien"])
    assert (raised.value.message, raised.value.hint) == ("there is no model named mien", "did you mean mine?")
    assert len(store.records()) == 1
    with pytest.raises(ModelNotFound, match="demo is built in and cannot be removed"):
        remove(store, ["mine", "demo"])
    assert len(store.records()) == 1


def test_a_name_is_found_as_it_is_typed(store: Store, model: Path) -> None:
    file = import_file(store, model, "mine").files[0]
    store.save(record_of("gemma4:e4b", file))
    assert [removal.name for removal in remove(store, ["gemma4", "mine:latest"])] == ["gemma4:e4b", "mine"]


def test_a_vanished_file_frees_nothing_and_its_name_goes(store: Store, model: Path) -> None:
    import_file(store, model, "mine")
    model.unlink()
    assert remove(store, ["mine"]) == (Removal("mine", 0, ()),)


def test_a_vanished_file_is_not_kept_for_another_name(store: Store, model: Path) -> None:
    import_file(store, model, "mine")
    import_file(store, model, "other")
    model.unlink()
    assert remove(store, ["mine"]) == (Removal("mine", 0, ()),)


def test_a_damaged_record_can_be_removed(store: Store, model: Path) -> None:
    import_file(store, model, "mine")
    store.path_of("mine").write_text("{half")
    assert remove(store, ["mine"]) == (Removal("mine", 0, ()),)
    assert store.read()[1] == ()


def test_a_record_that_cannot_be_read_may_need_a_file(store: Store, cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    store.save(record_of("a", downloaded(pointer)))
    store.path_of("later").write_text('{"version": 2}')
    (removal,) = remove(store, ["a"])
    assert removal.kept == (KeptFile(pointer, "the record of later cannot be read and may need it: g4run rm later"),)
    assert pointer.exists()


def test_a_file_that_is_being_fetched_again_stays(store: Store, cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    store.save(record_of("a", downloaded(pointer)))
    process = hold(cache.lock_path(digest_of(model)))
    assert remove(store, ["a"])[0].kept == (KeptFile(pointer, "another process is downloading it"),)
    process.communicate("")
    assert pointer.exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_cache_that_cannot_be_written_says_so_and_the_name_stays(store: Store, cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    store.save(record_of("a", downloaded(pointer)))
    cache.lock_path(digest_of(model))
    pointer.parent.chmod(0o555)
    try:
        with pytest.raises(NotWritable, match=r"cannot write .*a\.gguf: Permission denied"):
            remove(store, ["a"])
    finally:
        pointer.parent.chmod(0o755)
    assert store.get("a").path.exists()


def test_what_an_update_left_is_released_unless_used(
    store: Store, cache: FakeCache, model: Path, projector: Path
) -> None:
    old, kept = downloaded(cache.add("a.gguf", model)), downloaded(cache.add("p.gguf", projector), FileRole.PROJECTOR)
    newer = write_model(model.with_name("newer.gguf"))
    flip_last_byte(newer)
    new = downloaded(cache.add("a.gguf", newer, commit=NEWER_COMMIT))
    store.save(record_of("a", new, kept))
    released = release_files(store, (old, kept))
    assert released.freed_bytes == model.stat().st_size
    assert released.kept == (KeptFile(kept.path, "a also uses it"),)
    assert not old.path.exists()
    assert blob_of(new.path).exists()


KILLED = """
import os, sys
from pathlib import Path
from g4run.models.store.removal import remove
from g4run.models.store.store import Store
from tests.fakes.stores import settings_in
left = int(sys.argv[2])
def kill(event, arguments):
    global left
    if event in ("os.remove", "os.rmdir", "os.rename") and sys.argv[1] in str(arguments[0]):
        if left == 0:
            os._exit(9)
        left -= 1
store = Store(settings_in(Path(sys.argv[1])))
sys.addaudithook(kill)
remove(store, ["a"])
"""


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_removal_that_is_killed_anywhere_breaks_nothing_and_can_be_repeated(
    store: Store, cache: FakeCache, model: Path, projector: Path, tmp_path: Path, is_alone: bool
) -> None:
    """The process ends before its first, second, third change of the disk, and so on."""
    expected = set[str]() if is_alone else {"main", "README.md", digest_of(projector)}
    if not is_alone:
        cache.add("README.md", projector)
    for changes in range(100):
        store.save(record_of("a", downloaded(cache.add("dir/a.gguf", model))))
        program = [sys.executable, "-c", KILLED, str(tmp_path), str(changes)]
        code = subprocess.run(program, check=False).returncode
        assert [str(warning) for warning in scan_cache_dir(cache.hub_cache).warnings] == []
        assert store.read()[1] == ()
        if store.find("a") is not None:
            assert code == 9
            remove(store, ["a"])
        left = {path.name for path in cache.hub_cache.rglob("*") if path.is_file() and path.suffix != ".lock"}
        assert left == expected
        if code == 0:
            break
    assert changes >= 3


def test_removal_loads_no_network_library() -> None:
    program = """
import sys
from g4run.models.hub_cache import unfinished
from g4run.models.store import removal, usage, verification
from g4run.models import copy_name as copying
print(*{"asyncio", "filelock", "huggingface_hub", "httpx2", "numpy"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_cache_that_refuses_is_named_by_its_own_setting(store: Store, cache: FakeCache, model: Path) -> None:
    store.save(record_of("a", downloaded(cache.add("a.gguf", model))))
    (store.settings.hub_cache / ".locks").write_bytes(b"")
    with pytest.raises(NotWritable) as caught:
        remove(store, ["a"])
    assert caught.value.hint == "set HF_HOME to a writable directory"
    assert store.get("a").path.exists()


def test_a_data_directory_that_refuses_is_named_by_its_own_setting(store: Store, model: Path) -> None:
    record = copy_of(store, model, "a")
    record.path.unlink()
    record.path.mkdir()
    with pytest.raises(NotWritable) as caught:
        remove(store, ["a"])
    assert "HF_HOME" not in caught.value.hint
    assert store.find("a") == record
