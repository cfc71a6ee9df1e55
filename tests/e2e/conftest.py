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
def family(hub: FakeHub, person: Person) -> FakeHub:
    """The Hub with a Q8_0 of 3 MB of every size, which the person's catalog knows: the best choice everywhere."""
    for size in ("E2B", "E4B", "12b", "26B-A4B", "31B"):
        hub.add_repository(f"unsloth/gemma-4-{size}-it-GGUF", {f"gemma-4-{size}-it-Q8_0.gguf": DEMO_PATH})
    assert person.types("catalog", "refresh").code == 0
    return hub


@pytest.fixture
def person(hub: FakeHub, tmp_path: Path) -> Person:
    return Person(hub, tmp_path)
