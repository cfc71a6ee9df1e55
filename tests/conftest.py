"""What every test stands on: no setting of the person's own, and no file in the person's own directories."""

from pathlib import Path

import pytest

from g4run.settings import ENVIRONMENT_VARIABLES


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty G4RUN_HOME, for this process and for those that it starts."""
    for name in ENVIRONMENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("G4RUN_HOME", str(home))
    return home
