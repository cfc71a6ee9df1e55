"""What the local Hub does wrong when it is asked to, and how it is started by hand."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.fakes.hub import FakeHub
from tests.fakes.hub_faults import FaultKind, Stage
from tests.models.hub.fake_hub.asking import FILE, LARGE, REPOSITORY, link


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
    root = Path(__file__).parents[4]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)) as server:
        try:
            assert server.stdout is not None
            endpoint = server.stdout.readline().strip().removeprefix("HF_ENDPOINT=")
            url = f"{endpoint}/user/Repo-GGUF/resolve/main/deep/a.gguf"
            assert [httpx2.get(url, follow_redirects=True).status_code for _ in range(2)] == [503, 200]
        finally:
            server.kill()
