"""A Hub with what tests ask of it, and a client with little patience and no token of the person's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from g4run.models.hub.client import Hub
from g4run.settings import Settings
from tests.fakes.hub import FakeHub
from tests.models.hub.hub_client import GATED, LARGE, LITTLE, REPOSITORY


@pytest.fixture(autouse=True)
def own_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No token that the person stored, no proxy, and a connection of the test's own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    close_session()
    yield
    close_session()


@pytest.fixture
def server() -> Iterator[FakeHub]:
    with FakeHub() as server:
        server.add_repository(REPOSITORY, {"a-Q8_0.gguf": LARGE, "deep/b.gguf": b"b", "README.md": b"# Read me"})
        server.add_repository(GATED, {"a.gguf": LARGE}, gated=True)
        server.add_repository("user/Private", {"a.gguf": LARGE}, private=True)
        yield server


@pytest.fixture
def settings(server: FakeHub, tmp_path: Path) -> Settings:
    return Settings(tmp_path, tmp_path, hub_cache=tmp_path / "hub", hub_endpoint=server.endpoint)


@pytest.fixture
def hub(settings: Settings) -> Hub:
    return Hub(settings, LITTLE)
