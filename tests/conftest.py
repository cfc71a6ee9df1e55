"""What every test stands on: no setting of the person's own, and no file in the person's own directories."""

from pathlib import Path

import hypothesis
import pytest

from g4run.settings import ENVIRONMENT_VARIABLES

hypothesis.settings.register_profile("untimed", deadline=None)  # on a busy machine anything may take long
hypothesis.settings.load_profile("untimed")

OTHER_TOOLS = ("HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "TRANSFORMERS_OFFLINE")
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty G4RUN_HOME, HF_HOME and HOME, and a Hub where nobody is, for this process and those that it starts."""
    for name in (*ENVIRONMENT_VARIABLES, *OTHER_TOOLS, *PROXIES, *(proxy.lower() for proxy in PROXIES)):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("G4RUN_HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
    monkeypatch.setenv("HF_ENDPOINT", NOBODY)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("person")))
    return home
