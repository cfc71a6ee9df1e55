"""A local Hub with one small model, and somebody who knows its address."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from g4run.models.library import DEMO_PATH
from tests.e2e.people import FILE, REPOSITORY, Person
from tests.fakes.hub import FakeHub


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as served:
        served.add_repository(REPOSITORY, {FILE: DEMO_PATH, "README.md": b"# demo\n"})
        yield served


@pytest.fixture
def person(hub: FakeHub, tmp_path: Path) -> Person:
    return Person(hub, tmp_path)
