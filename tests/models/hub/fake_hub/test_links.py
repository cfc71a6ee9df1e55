"""The local Hub's second host: links, ranges and etags as the real one has them."""

import hashlib
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import get_hf_file_metadata, hf_hub_url

from tests.fakes.hub import GOOD_TOKEN, FakeHub
from tests.models.hub.fake_hub.asking import LARGE, REPOSITORY, download, link


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
