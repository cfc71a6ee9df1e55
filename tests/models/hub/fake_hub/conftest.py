"""A local Hub with one repository, asked as a program asks the real one."""

from collections.abc import Iterator

import pytest

from tests.fakes.hub import FakeHub
from tests.models.hub.fake_hub.asking import LARGE, REPOSITORY


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add_repository(REPOSITORY, {"a.gguf": LARGE, "README.md": b"# Read me", "deep/er/b.gguf": b"b" * 10})
        yield hub
