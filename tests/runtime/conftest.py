"""The built-in model, loaded once for all tests of a file."""

from collections.abc import Iterator

import pytest

from g4run.runtime.model import ChatModel, LoadOptions
from g4run.settings import read_settings
from tests.fakes.library import resolve


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatModel]:
    home = tmp_path_factory.mktemp("home")
    with ChatModel.open(resolve("demo"), read_settings({"G4RUN_HOME": str(home)}), LoadOptions()) as model:
        yield model
