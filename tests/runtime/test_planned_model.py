"""The model that `plan` plans for: installed, or the file that `pull` would download, and the parts to load."""

import shutil
from pathlib import Path

import pytest

from g4run.cli.views.plan import render_source
from g4run.cli.views.tables import line_width
from g4run.hardware.machine import Machine
from g4run.models.hub.client import Hub
from g4run.models.library import DEMO_PATH, Library
from g4run.models.names.types import Size
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile, Summary, timestamp
from g4run.planner.memory.catalog_weights import shape_of_catalog
from g4run.runtime.choose_file import MeasuredMachine, choose_quantization
from g4run.runtime.planned_model import PlannedModel, find_planned_model
from g4run.settings import Settings
from tests.fakes.streams import RecordedOutput
from tests.planner.machines import gpu, machine

FROM_CATALOG = "; the plan uses the catalog and may be a few percent off\n"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(Settings(tmp_path / "data", tmp_path / "logs", home_directory=tmp_path, is_offline=True))


def find(library: Library, name: str, on: Machine, *, terminal: bool = False) -> tuple[PlannedModel, str]:
    output = RecordedOutput(terminal=terminal)
    planned = find_planned_model(library, name, on, lambda: Hub(library.settings))
    return planned, render_source(planned, line_width(output.notes))


def keep(library: Library, name: str, *companions: tuple[FileRole, str, int]) -> None:
    """Store the demo's bytes under a name, with companion files."""
    directory = library.settings.data_directory
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "own.gguf"
    shutil.copyfile(DEMO_PATH, path)
    files = (
        StoredFile(FileRole.MODEL, path, path.stat().st_size, None, Origin.LINKED),
        *(StoredFile(role, directory / file, size, None, Origin.LINKED) for role, file, size in companions),
    )
    summary = Summary("E2B", 1, 4096, "F16", True)
    library.store.save(Record(name, files, summary, None, None, None, timestamp(), timestamp()))


@pytest.mark.parametrize("here", [machine(64), machine(64, gpu(8)), machine(18)])
def test_a_size_name_means_the_file_that_pull_would_download(library: Library, here: Machine) -> None:
    choice = choose_quantization(library.catalog, MeasuredMachine(here), Size.A4B_26B)
    planned, notes = find(library, "gemma4:26b", here)
    assert (planned.shape.name, planned.path) == (choice.file.name, None)
    first, second = notes.splitlines(keepends=True)
    assert first == f"gemma4:26b means {choice.file.name} here: {choice.reason}\n"
    assert second.endswith(FROM_CATALOG)


def test_a_name_with_a_quantization_means_that_file(library: Library) -> None:
    planned, notes = find(library, "gemma4:26b-q5_k_m", machine(18))
    assert planned.shape.name == "gemma4:26b-q5_k_m"
    assert notes.endswith(FROM_CATALOG) and " means " not in notes


def test_a_stored_model_is_planned_as_stored(library: Library) -> None:
    keep(library, "gemma4:26b")
    planned, notes = find(library, "gemma4:26b", machine(18))
    assert (planned.shape.name, planned.path, notes) == (
        "gemma4:26b",
        library.settings.data_directory / "own.gguf",
        "",
    )


def test_the_note_is_no_wider_than_the_terminal(library: Library) -> None:
    _, notes = find(library, "gemma4", machine(18), terminal=True)
    assert notes.startswith("gemma4:e4b means gemma4:e4b-")
    assert all(len(line) <= 80 for line in notes.splitlines() if not line.endswith(FROM_CATALOG.rstrip()))


def test_a_projector_is_not_loaded_but_a_pulled_drafter_is(library: Library) -> None:
    keep(
        library,
        "mine",
        (FileRole.PROJECTOR, "projector.gguf", 700),
        (FileRole.DRAFTER, "drafter.gguf", 90),
    )
    (library.settings.data_directory / "drafter.gguf").touch()
    planned, _ = find(library, "mine", machine(18))
    assert (planned.shape.projector_bytes, planned.projector_bytes, planned.drafter_bytes) == (0, 700, 90)
    (library.settings.data_directory / "drafter.gguf").unlink()
    assert find(library, "mine", machine(18))[0].drafter_bytes == 0


def test_a_projector_in_the_catalog_is_not_loaded(library: Library) -> None:
    planned, _ = find(library, "gemma4:26b-q8_0", machine(64))
    file = next(file for file in library.catalog.files if file.name == "gemma4:26b-q8_0")
    listed = shape_of_catalog(file, library.catalog.facts(file.size)).projector_bytes
    assert (planned.shape.projector_bytes, planned.projector_bytes) == (0, listed)
    assert listed > 0
