"""What a repository has and where a file can be had, and who may not have it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.errors import AccessDenied, ModelNotFound, Offline, UsageError
from g4run.models.hub.client import Hub
from g4run.models.remote_files import RemoteFile
from g4run.settings import Settings
from tests.fakes.hub import GOOD_TOKEN, POOR_TOKEN, FakeHub
from tests.fakes.hub_faults import FaultKind, Stage
from tests.models.hub.hub_client import (
    GATED,
    LARGE,
    LITTLE,
    REPOSITORY,
    commit_of,
    failure,
)


def test_nothing_is_printed_and_nothing_else_is_asked(server: FakeHub, tmp_path: Path) -> None:
    server.warning = "topic; this client is too old"
    server.fault(FaultKind.STATUS, 503, stage=None, times=2)
    code = f"""
from g4run.models.hub.client import Hub
from g4run.settings import read_settings
hub = Hub(read_settings())
hub.locate("{REPOSITORY}", hub.list_repository("{REPOSITORY}").commit, "README.md")
"""
    environment = {**os.environ, "HF_ENDPOINT": server.endpoint, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parents[3], text=True, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [request.method for request in server.requests] == ["GET", "GET", "GET", "HEAD"]


# What is there


def test_a_repository_is_listed_with_sizes_and_digests(server: FakeHub, hub: Hub) -> None:
    listing = hub.list_repository("USER/repo-gguf")
    assert listing.id == REPOSITORY
    assert listing.files == (
        RemoteFile("README.md", 9, None),
        RemoteFile("a-Q8_0.gguf", len(LARGE), server.file(REPOSITORY, "a-Q8_0.gguf").sha256),
        RemoteFile("deep/b.gguf", 1, server.file(REPOSITORY, "deep/b.gguf").sha256),
    )


def test_a_revision_is_listed_as_it_was(server: FakeHub, hub: Hub) -> None:
    older = commit_of(hub)
    newer = server.add_revision(REPOSITORY, {"c.gguf": b"c"})
    assert hub.list_repository(REPOSITORY).commit == hub.list_repository(REPOSITORY, "main").commit == newer
    assert hub.list_repository(REPOSITORY, older).commit == older
    assert hub.list_repository(REPOSITORY, older).find("c.gguf") is None


def test_a_large_file_comes_from_the_second_host_without_the_token(
    server: FakeHub, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
    link = hub.locate(GATED, commit_of(hub, GATED), "a.gguf")
    assert link.url.startswith(server.cdn_origin)
    assert "authorization" not in {name.lower() for name in link.headers}
    assert (link.size_bytes, link.etag) == (len(LARGE), server.file(GATED, "a.gguf").sha256)
    assert hub.session.get(link.url, headers=link.headers).content == LARGE
    assert all("authorization" in request.headers for request in server.requests if request.stage != Stage.CDN)


def test_a_small_file_comes_from_the_hub_with_the_token(
    server: FakeHub, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
    link = hub.locate(REPOSITORY, commit_of(hub), "README.md")
    assert link.url.startswith(server.endpoint)
    assert link.headers["authorization"] == f"Bearer {GOOD_TOKEN}"
    assert (link.size_bytes, link.etag) == (9, server.file(REPOSITORY, "README.md").git_id)


def test_a_link_is_signed_anew_each_time(server: FakeHub, hub: Hub) -> None:
    commit = commit_of(hub)
    first = hub.locate(REPOSITORY, commit, "a-Q8_0.gguf").url
    server.expire_links()
    second = hub.locate(REPOSITORY, commit, "a-Q8_0.gguf").url
    assert [hub.session.get(url).status_code for url in (first, second)] == [403, 200]


def test_a_file_that_xet_has_is_had_without_it(tmp_path: Path) -> None:
    with FakeHub(announces_xet=True) as server:
        server.add_repository(REPOSITORY, {"a.gguf": LARGE})
        hub = Hub(Settings(tmp_path, tmp_path, hub_cache=tmp_path, hub_endpoint=server.endpoint), LITTLE)
        link = hub.locate(REPOSITORY, commit_of(hub), "a.gguf")
        assert hub.session.get(link.url).content == LARGE


# What is not there


def test_no_such_repository(server: FakeHub, hub: Hub) -> None:
    for name in ("user/missing", "user/Private"):
        error = failure(lambda name=name: hub.list_repository(name))  # type: ignore[misc]
        assert type(error) is ModelNotFound
        assert error.message == f"there is no repository {name} on the Hub, or it is private"


def test_no_such_revision(hub: Hub) -> None:
    error = failure(lambda: hub.list_repository(REPOSITORY, "v9"))
    assert (type(error), error.message) == (ModelNotFound, f"{REPOSITORY} has no revision v9")


def test_no_such_file(server: FakeHub, hub: Hub) -> None:
    commit = commit_of(hub)
    error = failure(lambda: hub.locate(REPOSITORY, commit, "A-q8_0.gguf"))
    assert type(error) is ModelNotFound
    assert error.message == f"{REPOSITORY} has no file A-q8_0.gguf"
    assert error.hint == f"its files: {server.endpoint}/{REPOSITORY}/tree/main"


def test_a_name_that_no_repository_can_have(server: FakeHub, hub: Hub) -> None:
    error = failure(lambda: hub.list_repository("user/a--b"))
    assert type(error) is UsageError
    assert server.requests == ()


# Who may not


def test_a_gated_repository_wants_a_token(hub: Hub) -> None:
    commit = commit_of(hub, GATED)
    error = failure(lambda: hub.locate(GATED, commit, "a.gguf"))
    assert type(error) is AccessDenied
    assert error.message == f"{GATED} is gated: you must accept its license first"
    assert f"/{GATED}, then set HF_TOKEN, or run `hf auth login`" in error.hint


def test_a_gated_repository_wants_a_token_with_access(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", POOR_TOKEN)
    commit = commit_of(hub, GATED)
    error = failure(lambda: hub.locate(GATED, commit, "a.gguf"))
    assert type(error) is AccessDenied
    assert error.message == f"{GATED} is gated, and the account of your access token has no access"


@pytest.mark.parametrize(
    ("token", "message"),
    [("hf_wrong", "rejected the access token"), ("hf_ü", "invalid characters"), ("hf_a b\tc\x00", "token")],
)
def test_a_wrong_token(hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str, message: str) -> None:
    if "\0" in token:
        token = token.replace("\0", "\x01")  # the environment takes no zero byte
    monkeypatch.setenv("HF_TOKEN", token)
    for ask in (lambda: hub.list_repository(REPOSITORY), lambda: hub.locate(REPOSITORY, "0" * 40, "a")):
        error = failure(ask)
        assert type(error) is AccessDenied
        assert message in error.message


def test_offline_nothing_is_asked(server: FakeHub, settings: Settings) -> None:
    hub = Hub(replace(settings, is_offline=True), LITTLE)
    for ask in (lambda: hub.list_repository(REPOSITORY), lambda: hub.locate(REPOSITORY, "0" * 40, "a")):
        error = failure(ask)
        assert (type(error), error.hint) == (Offline, "unset HF_HUB_OFFLINE")
    assert server.requests == ()
