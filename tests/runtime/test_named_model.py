"""One name is one file: `show`, `list --available`, `plan`, `pull`, and `chat` agree for every form of a name."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from g4run.cli.commands.pull import fetch_planned
from g4run.errors import ModelNotFound
from g4run.models.catalog.values import CatalogFile
from g4run.models.details import inspect_details
from g4run.models.hub.client import Hub
from g4run.models.library import DEMO_PATH, Library
from g4run.models.names.parse import parse_name
from g4run.models.names.types import FamilyName, HubName
from g4run.models.pull.target import PullRequest
from g4run.runtime.available_models import find_available, with_short_names
from g4run.runtime.choose_file import MeasuredMachine
from g4run.runtime.named_model import resolve_model, settle_name
from g4run.runtime.planned_model import find_planned_model
from g4run.runtime.pull import PullPlanner
from g4run.settings import Settings
from tests.fakes.hub import FakeHub
from tests.fakes.streams import RecordedOutput
from tests.hardware.recorded import load_recorded

NAMES = (
    "gemma4",
    "gemma4:latest",
    "gemma4:e2b",
    "GEMMA4:26B",
    "gemma4:26b-a4b",
    "gemma4:31b",
    "gemma4:12b-it-qat",
    "gemma4:26b-a4b-it-q8_0",
    "gemma4:e4b-q4_k_m",
    "gemma4:31b-qat-ud-q4_k_xl",
    "hf.co/ggml-org/gemma-4-E4B-it-GGUF",
    "hf.co/ggml-org/gemma-4-31B-it-GGUF:Q8_0",
    "hf.co/unsloth/gemma-4-26B-A4B-it-GGUF/gemma-4-26B-A4B-it-UD-Q6_K.gguf",
    "https://huggingface.co/google/gemma-4-E2B-it-qat-q4_0-gguf/blob/main/gemma-4-E2B_q4_0-it.gguf",
)


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    """Serve all files of the catalog; each is the demo."""
    files: dict[str, dict[str, Path | bytes]] = defaultdict(dict)
    for file in Library(Settings(Path(), Path())).catalog.files:
        files[file.repository].update(dict.fromkeys(file.paths, DEMO_PATH))
    with FakeHub() as served:
        for repository, paths in files.items():
            served.add_repository(repository, paths)
        yield served


@pytest.fixture
def library(hub: FakeHub, tmp_path: Path) -> Library:
    logs, cache = tmp_path / "logs", tmp_path / "hub"
    return Library(
        Settings(tmp_path / "data", logs, home_directory=tmp_path, hub_cache=cache, hub_endpoint=hub.endpoint)
    )


def known(machine: str, root: Path) -> MeasuredMachine:
    return MeasuredMachine(load_recorded(machine, root / machine).inspect())


def file_of(library: Library, name: str) -> CatalogFile:
    parsed = parse_name(name)
    assert isinstance(parsed, FamilyName | HubName)
    file = library.catalog.find(parsed)
    assert file is not None
    return file


@pytest.mark.parametrize("machine", ["desktop", "apple-64", "no-driver"])
@pytest.mark.parametrize("name", NAMES)
def test_every_command_means_the_same_file(library: Library, tmp_path: Path, name: str, machine: str) -> None:
    here, hub = known(machine, tmp_path), Hub(library.settings)
    settled, _ = settle_name(library, name, lambda: here)
    shown = inspect_details(library, settled, lambda: hub).files[0].location
    planned = find_planned_model(library, name, here.machine, lambda: hub)
    plan = PullPlanner(library, hub, lambda: here, lambda: here.machine).plan(PullRequest(name))
    pulled = plan.files[0]
    assert shown.endswith(f"{pulled.repository}/blob/{pulled.commit}/{pulled.path}")
    wanted = file_of(library, settled)
    assert (wanted.repository, wanted.path) == (pulled.repository, pulled.path)
    assert file_of(library, planned.shape.name) is wanted
    listed = with_short_names(library, find_available(library, None, lambda: here.machine, lambda: hub), lambda: here)
    parsed = parse_name(name)
    if isinstance(parsed, FamilyName) and parsed.is_size_only:
        assert [model.name for model in listed if parsed.text in model.short_names] == [wanted.name]
    with pytest.raises(ModelNotFound):
        resolve_model(library, name, lambda: here)
    record = fetch_planned(library, hub, plan, RecordedOutput())
    assert resolve_model(library, name, lambda: here).path == record.path
    assert find_planned_model(library, name, here.machine, lambda: hub).path == record.path


def test_a_size_means_the_chosen_file_under_any_name(library: Library, tmp_path: Path) -> None:
    """Pulled under its full name, it is what the size's name means; the catalog's default is not."""
    here, hub = known("apple-64", tmp_path), Hub(library.settings)
    planner = PullPlanner(library, hub, lambda: here, lambda: here.machine)
    settled, choice = settle_name(library, "gemma4:26b", lambda: here)
    default = library.catalog.facts(file_of(library, settled).size).default
    assert choice is not None and default != choice.file
    fetch_planned(library, hub, planner.plan(PullRequest(default.name)), RecordedOutput())
    with pytest.raises(ModelNotFound, match=r"^gemma4:26b is not on this machine yet$"):
        resolve_model(library, "gemma4:26b", lambda: here)
    record = fetch_planned(library, hub, planner.plan(PullRequest(settled)), RecordedOutput())
    assert resolve_model(library, "gemma4:26b", lambda: here).record == record
    assert find_planned_model(library, "gemma4:26b", here.machine, lambda: hub).path == record.path
