from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir
from huggingface_hub.errors import LocalEntryNotFoundError

from g4run.errors import Offline
from g4run.models.hub_cache.cache import (
    blob_of,
    cached_gguf_files,
    list_cached_repository,
    locate_in_snapshot,
    repository_directory,
)
from g4run.models.hub_cache.removal import Unlinked, unlink_snapshot_file
from tests.fakes.stores import COMMIT, NEWER_COMMIT, REPOSITORY, FakeCache, digest_of, hold, write_model


@pytest.fixture
def cache(tmp_path: Path) -> FakeCache:
    return FakeCache(tmp_path / "hub")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.gguf")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text("another file")
    return path


def download(cache: FakeCache, path: str, revision: str = "main", repository: str = REPOSITORY) -> Path:
    """What huggingface_hub finds offline."""
    return Path(hf_hub_download(repository, path, revision=revision, cache_dir=cache.hub_cache, local_files_only=True))


def find(cache: FakeCache, revision: str | None, path: str, repository: str = REPOSITORY) -> Path | None:
    """What is listed offline."""
    try:
        listing = list_cached_repository(cache.hub_cache, repository, revision)
    except Offline:
        return None
    snapshot = repository_directory(cache.hub_cache, repository) / "snapshots" / listing.commit
    return snapshot / path if listing.find(path) else None


def warnings(cache: FakeCache) -> list[str]:
    return [str(warning) for warning in scan_cache_dir(cache.hub_cache).warnings]


@pytest.mark.parametrize("revision", ["main", "refs/pr/3", COMMIT])
def test_a_file_is_found_where_huggingface_hub_finds_it(cache: FakeCache, model: Path, revision: str) -> None:
    pointer = cache.add("Q8/a.gguf", model, revision="main")
    cache.add("b.gguf", model, commit=NEWER_COMMIT, revision="refs/pr/3")
    name = "b.gguf" if revision == "refs/pr/3" else "Q8/a.gguf"
    found = find(cache, revision, name)
    assert found == download(cache, name, revision)
    assert (found == pointer) is (revision != "refs/pr/3")


def test_without_a_revision_main_counts_and_then_any(cache: FakeCache, model: Path, other: Path) -> None:
    newer = cache.add("a.gguf", model, commit=NEWER_COMMIT, revision=None)
    assert find(cache, None, "a.gguf") == newer
    older = cache.add("a.gguf", other, commit=COMMIT, revision="main")
    assert find(cache, None, "a.gguf") == older


@pytest.mark.parametrize(
    ("revision", "path"),
    [
        (None, "b.gguf"),
        ("dev", "a.gguf"),
        (NEWER_COMMIT, "a.gguf"),
        ("../../x", "a.gguf"),
        (None, "../a.gguf"),
        (None, ""),
    ],
)
def test_what_is_not_there_is_not_found(cache: FakeCache, model: Path, revision: str | None, path: str) -> None:
    cache.add("a.gguf", model)
    assert find(cache, revision, path) is None


def test_a_link_that_leads_nowhere_is_not_found(cache: FakeCache, model: Path) -> None:
    blob_of(cache.add("a.gguf", model)).unlink()
    assert cached_gguf_files(cache.hub_cache) == ()


def test_a_repository_is_found_in_another_spelling(cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    assert find(cache, None, "a.gguf", REPOSITORY.upper()) == pointer
    assert repository_directory(cache.hub_cache, "No/Such") == cache.hub_cache / "models--No--Such"


def test_gguf_files_are_listed_once_with_their_place(cache: FakeCache, model: Path, other: Path) -> None:
    cache.add("a.gguf", model, commit=COMMIT, revision=None)
    newest = cache.add("a.gguf", model, commit=NEWER_COMMIT, revision="main")
    cache.add("README.md", other, commit=NEWER_COMMIT)
    plain = cache.add("dir/B.GGUF", other, repository="x/y", makes_links=False)
    (cache.hub_cache / "datasets--a--b").mkdir()
    found = cached_gguf_files(cache.hub_cache)
    assert [(file.path, file.repository, file.commit, file.repository_path, file.sha256) for file in found] == [
        (newest, REPOSITORY, NEWER_COMMIT, "a.gguf", digest_of(model)),
        (plain, "x/y", COMMIT, "dir/B.GGUF", None),
    ]
    assert found[0].size_bytes == model.stat().st_size


def test_a_path_knows_its_place_in_a_snapshot(cache: FakeCache, tmp_path: Path, model: Path) -> None:
    pointer = cache.add("dir/a.gguf", model)
    place = locate_in_snapshot(cache.hub_cache, pointer)
    assert place is not None
    assert (place.repository, place.commit, place.repository_path) == (REPOSITORY, COMMIT, "dir/a.gguf")
    assert locate_in_snapshot(cache.hub_cache, blob_of(pointer)) is None
    assert locate_in_snapshot(cache.hub_cache, tmp_path / "model.gguf") is None


def test_the_only_file_takes_its_repository_with_it(cache: FakeCache, model: Path) -> None:
    pointer = cache.add("dir/a.gguf", model, revision="refs/pr/1")
    cache.lock_path(digest_of(model)).touch()
    (cache.directory() / ".no_exist" / COMMIT).mkdir(parents=True)
    (cache.directory() / ".no_exist" / COMMIT / "config.json").touch()
    (cache.directory() / ".g4run-0123").write_text("left by a killed process")
    assert unlink_snapshot_file(cache.hub_cache, pointer) == Unlinked(model.stat().st_size)
    assert sorted(path.name for path in cache.hub_cache.rglob("*")) == [".locks"]
    assert warnings(cache) == []


def test_other_files_stay_usable_offline(cache: FakeCache, model: Path, other: Path) -> None:
    pointer = cache.add("dir/a.gguf", model)
    cache.add("README.md", other)
    assert unlink_snapshot_file(cache.hub_cache, pointer).freed_bytes == model.stat().st_size
    assert warnings(cache) == []
    assert download(cache, "README.md").read_text() == "another file"
    with pytest.raises(LocalEntryNotFoundError):
        download(cache, "dir/a.gguf")


def test_an_emptied_snapshot_goes_with_its_references(cache: FakeCache, model: Path, other: Path) -> None:
    pointer = cache.add("dir/a.gguf", model, revision="refs/pr/1")
    cache.add("README.md", other, commit=NEWER_COMMIT, revision="main")
    unlink_snapshot_file(cache.hub_cache, pointer)
    assert warnings(cache) == []
    assert sorted(path.name for path in (cache.directory() / "snapshots").iterdir()) == [NEWER_COMMIT]
    assert sorted(path.name for path in (cache.directory() / "refs").rglob("*")) == ["main"]


def test_another_revision_keeps_the_bytes(cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model, revision=None)
    cache.add("a.gguf", model, commit=NEWER_COMMIT)
    unlinked = unlink_snapshot_file(cache.hub_cache, pointer)
    assert unlinked == Unlinked(0, f"another revision of {REPOSITORY} uses it")
    assert digest_of(download(cache, "a.gguf")) == digest_of(model)
    assert not pointer.is_symlink()
    assert warnings(cache) == []


def test_without_links_the_file_itself_goes(cache: FakeCache, model: Path, other: Path) -> None:
    pointer = cache.add("a.gguf", model, makes_links=False)
    cache.add("README.md", other, makes_links=False)
    assert unlink_snapshot_file(cache.hub_cache, pointer, sha256="a" * 64) == Unlinked(model.stat().st_size)
    assert not pointer.exists()
    assert download(cache, "README.md").read_text() == "another file"
    assert warnings(cache) == []


def test_bytes_that_repositories_share_are_left_to_their_owner(cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    shared = cache.hub_cache / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    (cache.hub_cache / "blobs" / ".huggingface-shared-blobs").write_text("1\n")
    blob = blob_of(pointer)
    blob.replace(shared)
    blob.symlink_to(Path("..") / ".." / "blobs" / "ab" / shared.name)
    unlinked = unlink_snapshot_file(cache.hub_cache, pointer)
    assert unlinked == Unlinked(0, "the cache shares it between repositories")
    assert shared.exists()
    assert not blob.is_symlink()
    assert warnings(cache) == []


def test_a_removal_that_was_interrupted_can_be_repeated(cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    pointer.unlink()
    unlinked = unlink_snapshot_file(cache.hub_cache, pointer, sha256=digest_of(model))
    assert unlinked == Unlinked(model.stat().st_size)
    assert unlink_snapshot_file(cache.hub_cache, pointer, sha256=digest_of(model)) == Unlinked(0)


def test_a_blob_that_is_being_fetched_stays(cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    process = hold(cache.lock_path(digest_of(model)))
    assert unlink_snapshot_file(cache.hub_cache, pointer) == Unlinked(0, "another process is downloading it")
    assert pointer.exists()
    process.communicate("")
    assert unlink_snapshot_file(cache.hub_cache, pointer) == Unlinked(model.stat().st_size)


def test_a_snapshot_that_is_about_to_be_filled_stays(cache: FakeCache, model: Path) -> None:
    pointer = cache.add("a.gguf", model)
    process = hold(cache.lock_path("b" * 64))
    assert unlink_snapshot_file(cache.hub_cache, pointer).freed_bytes == model.stat().st_size
    assert pointer.parent.is_dir()
    assert (cache.directory() / "refs" / "main").read_text() == COMMIT
    assert warnings(cache) == []
    process.communicate("")


def test_a_file_outside_of_the_cache_is_not_touched(cache: FakeCache, model: Path) -> None:
    assert unlink_snapshot_file(cache.hub_cache, model).kept == f"it is not in the cache at {cache.hub_cache}"
    assert model.exists()
