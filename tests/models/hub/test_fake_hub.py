"""The local Hub behaves to huggingface_hub as the real one does."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url, scan_cache_dir
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.fakes.hub import GOOD_TOKEN, POOR_TOKEN, FakeHub
from tests.fakes.hub_faults import FaultKind, Stage

REPOSITORY = "user/Repo-GGUF"
LARGE = bytes(range(256)) * 2_000  # 512,000 bytes
FILE = f"{REPOSITORY}/a.gguf"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add_repository(REPOSITORY, {"a.gguf": LARGE, "README.md": b"# Read me", "deep/er/b.gguf": b"b" * 10})
        yield hub


def download(hub: FakeHub, cache: Path, path: str, revision: str | None = None, token: str | bool = False) -> Path:
    return Path(
        hf_hub_download(
            REPOSITORY, path, revision=revision, endpoint=hub.endpoint, cache_dir=cache, token=token, etag_timeout=5
        )
    )


def link(hub: FakeHub) -> str:
    return get_hf_file_metadata(hf_hub_url(REPOSITORY, "a.gguf", endpoint=hub.endpoint), token=False).location


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


def test_the_token_stays_with_the_first_host(hub: FakeHub, tmp_path: Path) -> None:
    download(hub, tmp_path, "a.gguf", token=GOOD_TOKEN)
    told = {request.host: "authorization" in request.headers for request in hub.requests}
    assert told == {hub.endpoint.removeprefix("http://"): True, hub.cdn_origin.removeprefix("http://"): False}


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=100-199", 206, 100, 200),
        ("bytes=511999-", 206, 511_999, 512_000),
        ("bytes=511000-999999", 206, 511_000, 512_000),
        ("bytes=-5", 206, 511_995, 512_000),
        ("bytes=0-1,5-6", 200, 0, 512_000),
        ("lines=1-2", 200, 0, 512_000),
    ],
)
def test_ranges(hub: FakeHub, asked: str, status: int, start: int, end: int) -> None:
    answer = httpx2.get(link(hub), headers={"Range": asked})
    assert answer.status_code == status
    assert answer.content == LARGE[start:end]
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/512000"


def test_a_range_beyond_the_end_is_refused(hub: FakeHub) -> None:
    answer = httpx2.get(link(hub), headers={"Range": "bytes=512000-"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */512000")


def test_if_range_wants_the_second_hosts_own_etag(hub: FakeHub) -> None:
    url = link(hub)
    etag = httpx2.head(url).headers["ETag"]
    assert hashlib.sha256(LARGE).hexdigest() not in etag
    for given, status in ((etag, 206), (f'"{hashlib.sha256(LARGE).hexdigest()}"', 200)):
        assert httpx2.get(url, headers={"Range": "bytes=0-9", "If-Range": given}).status_code == status


def test_links_expire_and_cannot_be_made_up(hub: FakeHub) -> None:
    url = link(hub)
    assert httpx2.get(url).status_code == 200
    assert httpx2.get(url.replace("Signature=", "Signature=0")).status_code == 403
    hub.expire_links()
    assert httpx2.get(url).status_code == 403
    assert httpx2.get(link(hub)).status_code == 200


def test_a_link_can_be_valid_for_no_time_at_all() -> None:
    with FakeHub(link_seconds=-1) as hub:
        hub.add_repository(REPOSITORY, {"a.gguf": LARGE})
        assert httpx2.get(link(hub)).status_code == 403


def test_xet_is_announced_if_wanted() -> None:
    with FakeHub(announces_xet=True) as hub:
        hub.add_repository(REPOSITORY, {"a.gguf": LARGE})
        metadata = get_hf_file_metadata(hf_hub_url(REPOSITORY, "a.gguf", endpoint=hub.endpoint), token=False)
        assert metadata.xet_file_data is not None


def test_a_fault_happens_as_often_as_it_should_and_where(hub: FakeHub) -> None:
    url = link(hub)
    hub.fault(FaultKind.STATUS, 503, times=2, skip=1, path="user/*/a.gguf")
    assert [httpx2.get(url).status_code for _ in range(4)] == [200, 503, 503, 200]
    hub.fault(FaultKind.STATUS, 503, stage=Stage.API)
    hub.fault(FaultKind.STATUS, 503, path="*/b.gguf")
    hub.fault(FaultKind.STATUS, 503, method="HEAD")
    assert httpx2.get(url).status_code == 200
    assert len(hub.faults.remaining) == 3
    hub.reset()
    assert [*hub.faults.remaining, *hub.requests] == []
    assert hub.sent_bytes() == 0


def test_a_rate_limit_tells_when_to_come_back(hub: FakeHub) -> None:
    hub.fault(FaultKind.STATUS, 429, stage=Stage.API, retry_after=7)
    answer = httpx2.get(f"{hub.endpoint}/api/models/{REPOSITORY}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize(
    ("kind", "failure"),
    [(FaultKind.RESET, httpx2.ReadError), (FaultKind.CLOSE, httpx2.RemoteProtocolError)],
)
def test_a_body_is_cut_off(hub: FakeHub, kind: FaultKind, failure: type[httpx2.HTTPError]) -> None:
    url = link(hub)
    hub.fault(kind, 300_000)
    with pytest.raises(failure):
        httpx2.get(url)
    assert hub.sent_bytes(FILE) == 300_000
    assert httpx2.get(url).content == LARGE


def test_a_body_stalls(hub: FakeHub) -> None:
    url = link(hub)
    hub.fault(FaultKind.STALL, 1_000)
    came = b""
    with pytest.raises(httpx2.ReadTimeout), httpx2.stream("GET", url, timeout=0.3) as answer:
        for block in answer.iter_raw():
            came += block
    assert came == LARGE[:1_000]


def test_lengths_are_wrong(hub: FakeHub) -> None:
    url = link(hub)
    hub.fault(FaultKind.SHORT_LENGTH, 12)
    assert httpx2.get(url).content == LARGE[:-12]
    hub.fault(FaultKind.LONG_LENGTH, 12)
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(url)


def test_bytes_are_wrong(hub: FakeHub) -> None:
    url = link(hub)
    hub.fault(FaultKind.FLIP, 1_000)
    assert httpx2.get(url, headers={"Range": "bytes=0-999"}).content == LARGE[:1_000]
    damaged = httpx2.get(url, headers={"Range": "bytes=990-1009"}).content
    assert [index for index in range(20) if damaged[index] != LARGE[990 + index]] == [10]
    assert httpx2.get(url).content == LARGE


def test_ranges_are_ignored_or_shifted(hub: FakeHub) -> None:
    url = link(hub)
    asked = {"Range": "bytes=10-19"}
    hub.fault(FaultKind.IGNORE_RANGE)
    assert httpx2.get(url, headers=asked).status_code == 200
    hub.fault(FaultKind.SHIFT_RANGE, 3)
    answer = httpx2.get(url, headers=asked)
    assert (answer.content, answer.headers["Content-Range"]) == (LARGE[13:23], "bytes 13-22/512000")
    hub.fault(FaultKind.SHIFT_BODY, 3)
    answer = httpx2.get(url, headers=asked)
    assert (answer.content, answer.headers["Content-Range"]) == (LARGE[13:23], "bytes 10-19/512000")


def test_the_etag_changes(hub: FakeHub) -> None:
    url = link(hub)
    etag = httpx2.head(url).headers["ETag"]
    hub.fault(FaultKind.CHANGE_ETAG)
    answer = httpx2.get(url, headers={"Range": "bytes=0-9", "If-Range": etag})
    assert (answer.status_code, answer.headers["ETag"] != etag) == (200, True)


def test_answers_that_are_none(hub: FakeHub) -> None:
    url = f"{hub.endpoint}/api/models/{REPOSITORY}"
    hub.fault(FaultKind.PORTAL, stage=Stage.API)
    assert "Log in" in httpx2.get(url).text
    hub.fault(FaultKind.DROP, stage=Stage.API)
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(url)
    hub.fault(FaultKind.HANG, stage=Stage.API)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(url, timeout=0.3)
    hub.fault(FaultKind.REDIRECT_LOOP, stage=Stage.API, times=None)
    with pytest.raises(httpx2.TooManyRedirects):
        httpx2.get(url, follow_redirects=True)


def test_connections_are_refused_for_a_while(hub: FakeHub) -> None:
    url = link(hub)
    with hub.refusing(), pytest.raises(httpx2.ConnectError):
        httpx2.get(url)
    assert httpx2.get(url).content == LARGE


def test_a_slow_line_still_brings_everything(hub: FakeHub) -> None:
    hub.set_rate(5_000_000)
    assert httpx2.get(link(hub)).content == LARGE


def test_it_is_started_by_hand(tmp_path: Path) -> None:
    directory = tmp_path / "user" / "Repo-GGUF" / "deep"
    directory.mkdir(parents=True)
    (directory / "a.gguf").write_bytes(LARGE)
    command = [sys.executable, "-m", "tests.fakes.hub", str(tmp_path), "--fault", "status:value=503,stage=cdn,times=1"]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)) as server:
        try:
            assert server.stdout is not None
            endpoint = server.stdout.readline().strip().removeprefix("HF_ENDPOINT=")
            url = f"{endpoint}/user/Repo-GGUF/resolve/main/deep/a.gguf"
            assert [httpx2.get(url, follow_redirects=True).status_code for _ in range(2)] == [503, 200]
        finally:
            server.kill()
