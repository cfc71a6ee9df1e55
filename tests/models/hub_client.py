"""A Hub with what tests ask of it, and a client with little patience."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from huggingface_hub import close_session

from g4run.errors import G4RunError
from g4run.models.hub.client import Hub
from g4run.models.hub.patience import Patience
from g4run.settings import Settings
from tests.fakes.hub import FakeHub

REPOSITORY = "user/Repo-GGUF"
GATED = "user/Gated"
LARGE = b"large" * 50_000
LITTLE = Patience(answer_seconds=0.3, total_seconds=0.4, first_wait_seconds=0.01, longest_wait_seconds=0.1)
ENOUGH = Patience(answer_seconds=10, total_seconds=60, first_wait_seconds=0.01)


@contextmanager
def no_stored_token(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Iterator[None]:
    """No token that the person stored, no proxy, and a connection of the test's own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(directory / "token"))
    close_session()
    yield
    close_session()


@contextmanager
def serving() -> Iterator[FakeHub]:
    with FakeHub() as server:
        server.add_repository(REPOSITORY, {"a-Q8_0.gguf": LARGE, "deep/b.gguf": b"b", "README.md": b"# Read me"})
        server.add_repository(GATED, {"a.gguf": LARGE}, gated=True)
        server.add_repository("user/Private", {"a.gguf": LARGE}, private=True)
        yield server


def settings_of(server: FakeHub, directory: Path) -> Settings:
    return Settings(directory, directory, hub_cache=directory / "hub", hub_endpoint=server.endpoint)


def failure(ask: Callable[[], object]) -> G4RunError:
    with pytest.raises(G4RunError) as caught:
        ask()
    assert caught.value.hint
    return caught.value


def commit_of(hub: Hub, repository: str = REPOSITORY) -> str:
    return hub.list_repository(repository).commit
