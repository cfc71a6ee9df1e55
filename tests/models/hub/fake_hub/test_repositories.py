"""The local Hub lists and gives out files to huggingface_hub as the real one does."""

import hashlib
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url, scan_cache_dir
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.fakes.hub import GOOD_TOKEN, POOR_TOKEN, FakeHub
from tests.models.hub.fake_hub.asking import FILE, LARGE, REPOSITORY, download


def test_huggingface_hub_lists_a_repository(hub: FakeHub) -> None:
    info = HfApi(endpoint=hub.endpoint, token=False).model_info(REPOSITORY, files_metadata=True)
    assert info.siblings is not None
    large = next(sibling for sibling in info.siblings if sibling.rfilename == "a.gguf")
    small = next(sibling for sibling in info.siblings if sibling.rfilename == "README.md")
    assert large.lfs is not None
    assert (large.size, large.lfs.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
    assert (small.size, small.lfs) == (9, None)
    assert small.blob_id == hashlib.sha1(b"blob 9\0# Read me").hexdigest()


def test_huggingface_hub_lists_a_tree(hub: FakeHub) -> None:
    api = HfApi(endpoint=hub.endpoint, token=False)
    assert [entry.path for entry in api.list_repo_tree(REPOSITORY)] == ["deep", "README.md", "a.gguf"]
    assert [entry.path for entry in api.list_repo_tree(REPOSITORY, recursive=True)] == [
        "README.md",
        "a.gguf",
        "deep/er/b.gguf",
    ]


def test_huggingface_hub_downloads_into_its_cache(hub: FakeHub, tmp_path: Path) -> None:
    assert download(hub, tmp_path, "a.gguf").read_bytes() == LARGE
    assert download(hub, tmp_path, "deep/er/b.gguf").read_bytes() == b"b" * 10
    path = download(hub, tmp_path, "README.md")
    assert path.read_bytes() == b"# Read me"
    assert path.parent.name == HfApi(endpoint=hub.endpoint, token=False).model_info(REPOSITORY).sha
    assert scan_cache_dir(tmp_path).warnings == []
    assert hub.sent_bytes(FILE) == len(LARGE)


def test_a_repository_in_another_spelling_is_redirected(hub: FakeHub) -> None:
    assert HfApi(endpoint=hub.endpoint, token=False).model_info("USER/repo-gguf").id == REPOSITORY
    url = hf_hub_url("USER/repo-gguf", "a.gguf", endpoint=hub.endpoint)
    assert httpx2.head(url).status_code == 307
    assert get_hf_file_metadata(url, token=False).size == len(LARGE)


def test_a_newer_commit_leaves_the_older_one_as_it_was(hub: FakeHub, tmp_path: Path) -> None:
    older = download(hub, tmp_path, "a.gguf").parent.name
    newer = hub.add_revision(REPOSITORY, {"a.gguf": b"new"})
    assert download(hub, tmp_path, "a.gguf").read_bytes() == b"new"
    assert download(hub, tmp_path, "a.gguf").parent.name == newer != older
    assert download(hub, tmp_path / "other", "a.gguf", revision=older).read_bytes() == LARGE
    hub.add_revision(REPOSITORY, {"a.gguf": b"tagged"}, reference="v1")
    assert download(hub, tmp_path, "a.gguf").read_bytes() == b"new"
    assert download(hub, tmp_path, "a.gguf", revision="v1").read_bytes() == b"tagged"


def test_what_is_not_there_has_the_real_hubs_errors(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        download(hub, tmp_path, "missing.gguf")
    with pytest.raises(RevisionNotFoundError):
        download(hub, tmp_path, "a.gguf", revision="missing")
    with pytest.raises(RepositoryNotFoundError):
        HfApi(endpoint=hub.endpoint, token=False).model_info("user/missing")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi(endpoint=hub.endpoint, token="hf_wrong").model_info(REPOSITORY)


def test_a_gated_repository_is_listed_but_its_files_need_a_token_with_access(tmp_path: Path) -> None:
    with FakeHub() as hub:
        hub.add_repository(REPOSITORY, {"a.gguf": LARGE}, gated=True)
        assert HfApi(endpoint=hub.endpoint, token=False).model_info(REPOSITORY).gated == "manual"
        for token in (False, POOR_TOKEN):
            with pytest.raises(GatedRepoError):
                download(hub, tmp_path, "a.gguf", token=token)
        assert download(hub, tmp_path, "a.gguf", token=GOOD_TOKEN).read_bytes() == LARGE


def test_a_private_repository_is_not_there_without_access() -> None:
    with FakeHub() as hub:
        hub.add_repository(REPOSITORY, {"a.gguf": LARGE}, private=True)
        for token in (False, POOR_TOKEN):
            with pytest.raises(RepositoryNotFoundError):
                HfApi(endpoint=hub.endpoint, token=token).model_info(REPOSITORY)
        assert HfApi(endpoint=hub.endpoint, token=GOOD_TOKEN).model_info(REPOSITORY).private
