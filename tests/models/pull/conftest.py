"""An empty Hub, and settings that lead to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from g4run.settings import Settings
from tests.fakes.hub import FakeHub


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def settings(fake: FakeHub, tmp_path: Path) -> Settings:
    return Settings(
        data_directory=tmp_path / "data",
        log_directory=tmp_path / "logs",
        home_directory=tmp_path / "home",
        hub_cache=tmp_path / "hub",
        hub_endpoint=fake.endpoint,
    )
