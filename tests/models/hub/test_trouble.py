"""Every way in which the Hub's answer fails to come, or is none."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from msgspec import structs

from g4run.errors import AccessDenied, NetworkError, UsageError
from g4run.models.hub.client import Hub
from g4run.models.hub.errors import retry_after_seconds
from g4run.models.remote_files import RemoteFile
from g4run.settings import Settings
from tests.fakes.hub import FakeHub
from tests.fakes.hub_faults import FaultKind, Stage
from tests.models.hub.hub_client import (
    ENOUGH,
    LITTLE,
    REPOSITORY,
    commit_of,
    failure,
)

# What passes


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trouble_that_passes_is_waited_for(server: FakeHub, settings: Settings, status: int) -> None:
    hub = Hub(settings, ENOUGH)
    server.fault(FaultKind.STATUS, status, stage=Stage.API, times=3)
    server.fault(FaultKind.STATUS, status, stage=Stage.RESOLVE, times=3)
    assert hub.locate(REPOSITORY, commit_of(hub), "README.md").size_bytes == 9
    assert len(server.requests) == 8


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.HANG])
def test_a_connection_that_fails_is_made_again(server: FakeHub, settings: Settings, kind: FaultKind) -> None:
    hub = Hub(settings, replace(ENOUGH, answer_seconds=0.3))
    server.fault(kind, stage=Stage.API, times=2)
    assert commit_of(hub)
    assert len(server.requests) == 3


def test_the_hub_says_how_long_to_wait(server: FakeHub, settings: Settings) -> None:
    server.fault(FaultKind.STATUS, 429, stage=Stage.API, retry_after=1)
    assert commit_of(Hub(settings, ENOUGH))
    server.reset()
    server.fault(FaultKind.STATUS, 429, stage=Stage.API, retry_after=3600, times=None)
    error = failure(lambda: Hub(settings, ENOUGH).list_repository(REPOSITORY))
    assert type(error) is NetworkError
    assert "wait 3600 seconds" in error.hint
    assert len(server.requests) == 1


# What does not


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (FaultKind.STATUS, 503, "has a server error (503)"),
        (FaultKind.STATUS, 429, "limits the requests of this machine (429)"),
        (FaultKind.STATUS, 407, "the proxy refused the request"),
        (FaultKind.STATUS, 418, "answered 418"),
        (FaultKind.PORTAL, 0, "sent an answer that is not the Hub's"),
        (FaultKind.REDIRECT_LOOP, 0, "redirects in a loop"),
        (FaultKind.HANG, 0, "does not respond"),
        (FaultKind.DROP, 0, "closed the connection"),
    ],
)
def test_trouble_that_stays(server: FakeHub, hub: Hub, kind: FaultKind, value: int, message: str) -> None:
    commit = commit_of(hub)
    server.fault(kind, value, stage=None, times=None)
    for ask in (lambda: hub.list_repository(REPOSITORY), lambda: hub.locate(REPOSITORY, commit, "README.md")):
        error = failure(ask)
        assert type(error) is NetworkError
        assert message in error.message


def test_a_forbidding_answer(server: FakeHub, hub: Hub) -> None:
    server.fault(FaultKind.STATUS, 403, stage=Stage.API)
    error = failure(lambda: hub.list_repository(REPOSITORY))
    assert type(error) is AccessDenied


@pytest.mark.parametrize(
    "listing",
    [
        b"null",
        b"[]",
        b"[1]",
        b"{}",
        b'{"id": 3}',
        b'{"id": "user/x", "sha": "main", "siblings": []}',
        b'{"id": "user/x", "sha": "' + b"a" * 40 + b'", "siblings": [3]}',
        b'{"id": "user/x", "sha": "' + b"a" * 40 + b'", "siblings": [{"size": 1}]}',
        b'{"id": "user/x", "sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": 5}]}',
        b'{"id": "user/x", "sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": "a", "size": "1"}]}',
        b'{"id": "user/x", "sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": "a", "lfs": {"size": 1}}]}',
    ],
)
def test_a_listing_that_is_none(server: FakeHub, hub: Hub, listing: bytes) -> None:
    server.replace_api(listing)
    assert "not the Hub's" in failure(lambda: hub.list_repository(REPOSITORY)).message


def test_what_cannot_be_shown_is_not_listed(server: FakeHub, hub: Hub) -> None:
    names = [{"rfilename": "a\x1b[2J.gguf"}, {"rfilename": "b.gguf", "size": 1, "lfs": None}]
    server.replace_api(json.dumps({"id": REPOSITORY, "sha": "a" * 40, "siblings": names}).encode())
    assert hub.list_repository(REPOSITORY).files == (RemoteFile("b.gguf", 1, None),)


# No connection


def test_refused_connections(server: FakeHub, hub: Hub) -> None:
    with server.refusing():
        for ask in (lambda: hub.list_repository(REPOSITORY), lambda: hub.locate(REPOSITORY, "0" * 40, "a")):
            error = failure(ask)
            assert error.message == f"{server.endpoint.removeprefix('http://')} refused the connection"
    assert commit_of(hub)


def test_an_unknown_address(settings: Settings) -> None:
    hub = Hub(structs.replace(settings, hub_endpoint="http://no-such-host.invalid"), LITTLE)
    error = failure(lambda: hub.list_repository(REPOSITORY))
    assert (type(error), error.message) == (NetworkError, "cannot resolve the address of no-such-host.invalid")


def test_no_secure_connection(server: FakeHub, settings: Settings) -> None:
    hub = Hub(structs.replace(settings, hub_endpoint=server.endpoint.replace("http:", "https:")), ENOUGH)
    assert failure(lambda: hub.list_repository(REPOSITORY)).message.startswith(
        "cannot make a secure connection to 127.0.0.1"
    )


@pytest.mark.parametrize("endpoint", ["hf.co", "ftp://hf.co", "http://[::1"])
def test_an_endpoint_that_is_no_address(settings: Settings, endpoint: str) -> None:
    hub = Hub(structs.replace(settings, hub_endpoint=endpoint), LITTLE)
    for ask in (lambda: hub.list_repository(REPOSITORY), lambda: hub.locate(REPOSITORY, "0" * 40, "a")):
        assert type(failure(ask)) is UsageError


def test_a_proxy_that_refuses_is_named_without_its_password(
    server: FakeHub, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeHub() as other:
        address = other.endpoint.removeprefix("http://")
    monkeypatch.setenv("HTTP_PROXY", f"http://name:secret@{address}")
    error = failure(lambda: hub.list_repository(REPOSITORY))
    assert (error.message, error.hint) == (f"the proxy {address} refused the connection", "check HTTPS_PROXY")
    assert server.requests == ()


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("SSL_CERT_FILE", "missing.pem", "check SSL_CERT_FILE and SSL_CERT_DIR"),
        ("SSL_CERT_FILE", __file__, "check SSL_CERT_FILE and SSL_CERT_DIR"),
        ("HTTPS_PROXY", "nonsense://host", "set HTTPS_PROXY to http://HOST:PORT"),
        ("HTTPS_PROXY", "http://[::1", "set HTTPS_PROXY to http://HOST:PORT"),
    ],
)
def test_an_environment_in_which_nothing_can_be_tried(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(name, value)
    hub = Hub(structs.replace(settings, hub_endpoint="https://127.0.0.1:1"), LITTLE)
    for ask in (lambda: hub.list_repository(REPOSITORY), lambda: hub.session):
        error = failure(ask)
        assert (type(error), error.hint) == (UsageError, hint)


@pytest.mark.skipif(sys.platform == "win32", reason="a directory is opened there in another way")
def test_a_stored_token_that_cannot_be_read(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    error = failure(lambda: hub.list_repository(REPOSITORY))
    assert type(error) is AccessDenied
    assert error.message == f"cannot read the stored access token: {tmp_path / 'token'}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"Retry-After": "9" * 5_000}, 999_999_999.0),
        ({"Retry-After": "soon"}, None),
        ({"RateLimit": '"api";r=0;t=12', "Retry-After": "7"}, 12.0),
        ({}, None),
    ],
)
def test_the_hub_says_when_to_come_again(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(httpx2.Response(429, headers=headers)) == seconds
