"""Pulls by the name of a size, from a local Hub, on the detectors' test machines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs

from g4run.cli.commands.pull import fetch_planned
from g4run.cli.terminal.progress import JsonProgress
from g4run.models.catalog.values import CatalogFile
from g4run.models.hub.client import Hub
from g4run.models.library import DEMO_PATH, Library
from g4run.models.names.types import Size
from g4run.models.pull.outdated import find_outdated
from g4run.models.pull.plan import PullPlan
from g4run.models.pull.target import PullRequest, update_request
from g4run.models.store.records import Record
from g4run.runtime.choose_file import MeasuredMachine
from g4run.runtime.pull import PullPlanner
from g4run.settings import Settings
from tests.fakes.hub import FakeHub
from tests.fakes.streams import RecordedOutput
from tests.hardware.recorded import load_recorded
from tests.planner.machines import machine

NAME = "gemma4:26b"
REASON = "the best of "


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as served:
        yield served


@dataclass(frozen=True, slots=True)
class Place:
    """A home directory and a machine with little free memory."""

    settings: Settings
    root: Path

    @property
    def library(self) -> Library:
        return Library(self.settings)

    def pulling(self, machine: str | None = "no-driver") -> PullPlanner:
        """Plan pulls for a machine; None for one that cannot be inspected."""
        known = None if machine is None else MeasuredMachine(load_recorded(machine, self.root / machine).inspect())
        return PullPlanner(self.library, Hub(self.settings), lambda: known)

    def pulling_by_name(self) -> PullPlanner:
        """Plan pulls that must not inspect the machine."""
        return PullPlanner(self.library, Hub(self.settings), _look)

    def fetch(self, plan: PullPlan, output: RecordedOutput | None = None) -> Record:
        return fetch_planned(self.library, Hub(self.settings), plan, output or RecordedOutput())


def _look() -> MeasuredMachine | None:
    raise AssertionError("the machine was looked at")


@pytest.fixture
def place(hub: FakeHub, tmp_path: Path) -> Place:
    data = tmp_path / "data"
    settings = Settings(
        data, tmp_path / "logs", home_directory=tmp_path, hub_cache=tmp_path / "hub", hub_endpoint=hub.endpoint
    )
    return Place(settings, tmp_path / "machines")


@pytest.fixture
def chosen(place: Place, hub: FakeHub) -> CatalogFile:
    """Return the file that suits the machine, and put it on the Hub."""
    file = next(file for file in place.library.catalog.files if file.name == "gemma4:26b-ud-iq3_s")
    hub.add_repository(file.repository, {file.path: DEMO_PATH})
    return file


def paths(plan: PullPlan) -> list[str]:
    return [file.path for file in plan.files]


def test_a_size_name_pulls_the_file_that_suits_the_machine(place: Place, chosen: CatalogFile) -> None:
    output = RecordedOutput()
    plan = place.pulling().plan(PullRequest(NAME))
    assert (plan.name, plan.repository, paths(plan), plan.quantization) == (
        NAME,
        chosen.repository,
        [chosen.path],
        "UD-IQ3_S",
    )
    assert plan.notes[0].startswith(f"{NAME} means {chosen.name} here: {REASON}")
    record = place.fetch(plan, output)
    assert record == place.library.get_record(NAME) == place.library.get_record(chosen.name)
    assert place.library.resolve(NAME).path == record.path
    assert f"\nnote: {NAME} means {chosen.name} here: {REASON}" in output.stderr


def test_the_json_plan_names_the_choice(place: Place, chosen: CatalogFile) -> None:
    plan = place.pulling().plan(PullRequest(NAME))
    output = RecordedOutput()
    JsonProgress(output).planned(plan)
    assert f'"{NAME} means {chosen.name} here: {REASON}' in output.stdout


def test_a_second_pull_keeps_the_quantization_on_whatever_machine(
    place: Place, chosen: CatalogFile, hub: FakeHub
) -> None:
    record = place.fetch(place.pulling().plan(PullRequest(NAME)))
    plan = place.pulling_by_name().plan(PullRequest(NAME))
    assert (paths(plan), plan.download_bytes) == ([chosen.path], 0)
    assert paths(place.pulling_by_name().plan(update_request(record))) == [chosen.path]
    assert [model.is_outdated for model in find_outdated(place.library, Hub(place.settings))] == [False]
    with hub.refusing():
        offline = replace(place, settings=structs.replace(place.settings, is_offline=True))
        plan = offline.pulling_by_name().plan(PullRequest(NAME))
        assert offline.fetch(plan).files == record.files


def test_offline_a_size_means_what_it_means_everywhere(place: Place, chosen: CatalogFile) -> None:
    place.fetch(place.pulling_by_name().plan(PullRequest(chosen.name, revision="main")))
    offline = replace(place, settings=structs.replace(place.settings, is_offline=True))
    assert paths(offline.pulling().plan(PullRequest(NAME))) == [chosen.path]


@pytest.mark.parametrize(
    "request_",
    [
        PullRequest("gemma4:26b-ud-iq3_s"),
        PullRequest("hf.co/unsloth/gemma-4-26B-A4B-it-GGUF:UD-IQ3_S"),
        PullRequest("hf.co/unsloth/gemma-4-26B-A4B-it-GGUF:UD-IQ3_S", revision="main"),
    ],
)
def test_a_complete_name_needs_no_machine(place: Place, chosen: CatalogFile, request_: PullRequest) -> None:
    assert chosen.repository in request_.name or chosen.name == request_.name
    assert paths(place.pulling_by_name().plan(request_)) == [chosen.path]


def test_a_given_choice_is_not_made_again(place: Place, chosen: CatalogFile) -> None:
    plan = place.pulling_by_name().plan(PullRequest(NAME, entry=chosen))
    assert (plan.name, paths(plan)) == (NAME, [chosen.path])
    assert [note for note in plan.notes if " means " in note] == []


def test_a_file_missing_on_the_hub_is_replaced_by_the_default(place: Place, hub: FakeHub) -> None:
    default = place.library.catalog.facts(Size.A4B_26B).default
    hub.add_repository(default.repository, {default.path: DEMO_PATH})
    plan = place.pulling().plan(PullRequest(NAME))
    assert paths(plan) == [default.path]
    assert plan.notes[0] == (
        f"{NAME} means {default.name} here: gemma4:26b-ud-iq3_s would suit better, but is not on the Hub"
    )


@pytest.mark.parametrize("machine", [None, "container-8gib"])
def test_without_a_choice_the_default_is_pulled(place: Place, hub: FakeHub, machine: str | None) -> None:
    default = place.library.catalog.facts(Size.A4B_26B).default
    hub.add_repository(default.repository, {default.path: DEMO_PATH})
    plan = place.pulling(machine).plan(PullRequest(NAME))
    assert paths(plan) == [default.path]
    means = [note for note in plan.notes if " means " in note]
    assert means == (
        [] if machine is None else [f"{NAME} means {default.name} here: no file of this size fits this machine"]
    )


def test_the_family_name_is_explained_first(place: Place, hub: FakeHub) -> None:
    for file in place.library.catalog.available(Size.E4B):
        hub.add_repository(file.repository, {file.path: DEMO_PATH})
    plan = place.pulling("apple-64").plan(PullRequest("gemma4"))
    assert (plan.name, plan.notes[0]) == ("gemma4:e4b", "gemma4 means gemma4:e4b")
    assert plan.notes[1].startswith("gemma4:e4b means gemma4:e4b-")


@pytest.mark.parametrize("repository", ["unsloth/gemma-4-26B-A4B-it-GGUF", "acme/own-26B-GGUF"])
def test_a_model_that_does_not_fit_gets_a_warning(place: Place, hub: FakeHub, repository: str) -> None:
    hub.add_repository(repository, {"gemma-4-26B-A4B-it-Q8_0.gguf": DEMO_PATH})
    request = PullRequest(f"hf.co/{repository}:Q8_0", revision="main", with_projector=False)

    def notes(ram_gb: float) -> tuple[str, ...]:
        planner = PullPlanner(place.library, Hub(place.settings), _look, lambda: machine(ram_gb))
        plan = planner.plan(request)
        return plan.notes

    assert notes(64) == ()
    (note,) = notes(0.2)
    assert re.fullmatch(
        r"does not fit this machine: it needs [\d.]+ MB more memory, even with other programs closed", note
    )
