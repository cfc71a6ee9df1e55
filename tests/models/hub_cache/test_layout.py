"""What lies in the Hugging Face cache is what huggingface_hub would have put there, at every moment of a download."""

import os
import sys
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache
from huggingface_hub.errors import LocalEntryNotFoundError

from g4run.errors import G4RunError, NetworkError, NotWritable
from g4run.models.hub_cache.layout import HubCache
from tests.fakes.hub import FakeHub

REPOSITORY = "user/Repo-GGUF"
CONTENT = b"model" * 50_000
COMMIT = "a" * 40
ETAG = "b" * 64


def find_offline(cache: Path, path: str, revision: str | None = None) -> Path:
    return Path(hf_hub_download(REPOSITORY, path, revision=revision, cache_dir=cache, local_files_only=True))


def warnings_of(cache: Path) -> list[str]:
    return [str(warning) for warning in scan_cache_dir(cache).warnings]


def put(cache: HubCache, path: str, *, commit: str = COMMIT, revision: str | None = None, etag: str = ETAG) -> Path:
    cache.prepare(REPOSITORY, commit)
    partial = cache.partial_path(REPOSITORY, etag)
    partial.write_bytes(CONTENT)
    cache.commit_blob(REPOSITORY, etag, partial)
    return cache.link(REPOSITORY, commit, revision, path, etag)


def listing(directory: Path) -> dict[str, str]:
    """Every file with its content, and every link with where it points."""
    paths = (path for path in directory.rglob("*") if path.is_symlink() or path.is_file())
    return {
        path.relative_to(directory).as_posix(): path.readlink().as_posix()
        if path.is_symlink()
        else path.read_text("utf-8")
        for path in paths
        if not path.name.endswith(".lock")
    }


def test_the_result_is_huggingface_hubs_own_to_the_byte(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    with FakeHub() as server:
        commit = server.add_repository(REPOSITORY, {"deep/er/a.gguf": CONTENT, "b.gguf": CONTENT})
        etag = server.file(REPOSITORY, "b.gguf").etag
        cache = HubCache(ours)
        for path in ("deep/er/a.gguf", "b.gguf"):
            put(cache, path, commit=commit, etag=etag)
            hf_hub_download(REPOSITORY, path, cache_dir=theirs, endpoint=server.endpoint, token=False)
    tags = [(directory / "CACHEDIR.TAG").read_text("utf-8").splitlines()[0] for directory in (theirs, ours)]
    assert tags[0] == tags[1]
    for directory in (theirs, ours):
        (directory / "CACHEDIR.TAG").unlink()
    assert listing(ours) == listing(theirs)


def test_no_moment_of_a_download_looks_damaged(tmp_path: Path) -> None:
    cache = HubCache(tmp_path)
    cache.prepare(REPOSITORY, COMMIT)
    assert warnings_of(tmp_path) == []
    partial = cache.partial_path(REPOSITORY, ETAG)
    partial.write_bytes(CONTENT)
    assert warnings_of(tmp_path) == []
    assert [file.file_path for file in scan_cache_dir(tmp_path).incomplete_files] == [partial]
    cache.commit_blob(REPOSITORY, ETAG, partial)
    assert warnings_of(tmp_path) == []
    with pytest.raises(LocalEntryNotFoundError):
        find_offline(tmp_path, "a.gguf")
    pointer = cache.link(REPOSITORY, COMMIT, None, "a.gguf", ETAG)
    assert warnings_of(tmp_path) == []
    assert find_offline(tmp_path, "a.gguf") == pointer
    assert pointer.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("revision", "found_as"), [(None, None), ("main", "main"), ("v1.0", "v1.0"), ("refs/pr/1", "refs/pr/1")]
)
def test_the_revision_that_was_asked_for_leads_there(
    tmp_path: Path, revision: str | None, found_as: str | None
) -> None:
    pointer = put(HubCache(tmp_path), "a.gguf", revision=revision)
    assert find_offline(tmp_path, "a.gguf", found_as) == find_offline(tmp_path, "a.gguf", COMMIT) == pointer


def test_a_commit_needs_no_ref(tmp_path: Path) -> None:
    put(HubCache(tmp_path), "a.gguf", revision=COMMIT)
    assert not (tmp_path / "models--user--Repo-GGUF" / "refs").exists()
    assert warnings_of(tmp_path) == []


def test_a_newer_commit_takes_over_the_ref_and_shares_the_blob(tmp_path: Path) -> None:
    cache = HubCache(tmp_path)
    older = put(cache, "a.gguf")
    cache.prepare(REPOSITORY, "c" * 40)
    newer = cache.link(REPOSITORY, "c" * 40, None, "a.gguf", ETAG)
    assert find_offline(tmp_path, "a.gguf") == newer != older
    assert newer.resolve() == older.resolve()
    assert warnings_of(tmp_path) == []


def test_linking_again_changes_nothing_and_repairs_what_is_broken(tmp_path: Path) -> None:
    cache = HubCache(tmp_path)
    pointer = put(cache, "a.gguf")
    before = listing(tmp_path)
    assert cache.link(REPOSITORY, COMMIT, None, "a.gguf", ETAG) == pointer
    assert listing(tmp_path) == before
    pointer.unlink()
    pointer.symlink_to("../../blobs/missing")
    (tmp_path / "models--user--Repo-GGUF" / "refs" / "main").write_bytes(b"\xff half")
    cache.link(REPOSITORY, COMMIT, None, "a.gguf", ETAG)
    assert listing(tmp_path) == before


def test_what_was_removed_meanwhile_is_not_pointed_at(tmp_path: Path) -> None:
    cache = HubCache(tmp_path)
    cache.prepare(REPOSITORY, COMMIT)
    with pytest.raises(NotWritable, match="was removed"):
        cache.link(REPOSITORY, COMMIT, None, "a.gguf", ETAG)
    assert warnings_of(tmp_path) == []


def test_without_symbolic_links_the_file_itself_is_moved(tmp_path: Path) -> None:
    cache = HubCache(tmp_path, makes_links=False)
    pointer = put(cache, "deep/a.gguf")
    assert (pointer.is_symlink(), pointer.read_bytes()) == (False, CONTENT)
    assert not cache.blob_path(REPOSITORY, ETAG).exists()
    assert find_offline(tmp_path, "deep/a.gguf") == pointer
    assert cache.link(REPOSITORY, COMMIT, None, "deep/a.gguf", ETAG) == pointer
    assert try_to_load_from_cache(REPOSITORY, "deep/a.gguf", tmp_path) == str(pointer)
    assert warnings_of(tmp_path) == []


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/etc/passwd", "", "a//b", ".", "C:/x", "a\\..\\b", "a\0b"])
def test_a_name_that_leads_out_of_the_snapshot_is_refused(tmp_path: Path, path: str) -> None:
    cache = HubCache(tmp_path / "hub")
    put(cache, "good.gguf")
    before = sorted(tmp_path.rglob("*"))
    for place in ({"path": path, "revision": None}, {"path": "good.gguf", "revision": path or ".."}):
        with pytest.raises(NetworkError, match="points outside"):
            cache.link(REPOSITORY, COMMIT, place["revision"], str(place["path"]), ETAG)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("etag", ["", "..", "../x", "a/b", "a\\b", ".hidden", "x" * 129])
def test_a_digest_that_is_none_is_refused(tmp_path: Path, etag: str) -> None:
    with pytest.raises(NetworkError):
        HubCache(tmp_path).blob_path(REPOSITORY, etag)


def test_a_commit_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError):
        HubCache(tmp_path).prepare(REPOSITORY, "../../x")
    assert list(tmp_path.iterdir()) == []


def assert_not_writable(directory: Path) -> None:
    with pytest.raises(G4RunError) as caught:
        HubCache(directory).prepare(REPOSITORY, COMMIT)
    assert type(caught.value) is NotWritable
    assert caught.value.hint == "set HF_HOME to a writable directory"


def test_a_file_where_the_cache_should_be(tmp_path: Path) -> None:
    (tmp_path / "hub").write_bytes(b"")
    assert_not_writable(tmp_path / "hub")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not hold for this user")
def test_a_cache_that_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir(mode=0o555)
    assert_not_writable(tmp_path / "hub")


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="a read-only place of Linux")
def test_a_place_where_nobody_can_write() -> None:
    assert_not_writable(Path("/sys/kernel/hub"))
