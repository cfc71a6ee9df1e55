"""One law of what fits: `list --available` and `plan` give the same answer for every file on every known machine."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.cli.commands.plan import PlanOptions, make_request
from g4run.hardware.machine import Machine
from g4run.models.digest import sha256_of
from g4run.models.hub.client import Hub
from g4run.models.library import DEMO_PATH, Library
from g4run.models.quantizations import FileRole
from g4run.models.store.records import ID_LENGTH, Origin, Record, StoredFile, Summary, timestamp
from g4run.planner.hypothetical_machine import idle_machine
from g4run.planner.placement import plan_model, plan_with_drafter
from g4run.planner.request_validation import check_request
from g4run.planner.values import Fit, Ledger
from g4run.runtime.available_models import find_available
from g4run.runtime.installed_models import DEMO_ID, list_installed
from g4run.runtime.planned_model import PlannedModel, find_planned_model
from g4run.settings import Settings
from tests.hardware.recorded import NAMES, load_recorded
from tests.planner.known_machines import known_machines

Answers = Mapping[str, object]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    root = tmp_path_factory.mktemp("offline")
    return Library(Settings(root / "data", root / "logs", home_directory=root, is_offline=True))


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Machine]:
    root = tmp_path_factory.mktemp("machines")
    return {**dict(known_machines()), **{name: load_recorded(name, root / name).inspect() for name in NAMES}}


@pytest.fixture(scope="module")
def planned(library: Library, machines: Mapping[str, Machine]) -> Mapping[str, PlannedModel]:
    """What `plan NAME` is about, for every name of the catalog; no name leaves anything to the machine."""
    machine, open_hub = machines["no-gpu"], (lambda: Hub(library.settings))
    return {
        file.name: find_planned_model(library, file.name, machine, open_hub) for file in library.catalog.available()
    }


def listed_fits(library: Library, machine: Machine) -> Answers:
    """What `list --available` answers."""
    return {model.name: model.fits for model in find_available(library, None, lambda: machine, no_hub)}


def planned_ledgers(planned: Mapping[str, PlannedModel], machine: Machine) -> Mapping[str, Ledger]:
    """What `plan NAME` answers; its exact compute buffers, which take 10 ms, are computed for every eighth model."""
    first = machine.memory.total_bytes // 10**6

    def ledger(number: int, model: PlannedModel) -> Ledger:
        request = make_request(PlanOptions())
        check_request(request, model.shape, machine)
        if (first + number) % 8:
            return plan_model(model.shape, machine, request).ledger
        return plan_with_drafter(model.shape, model.drafter_bytes, machine, request).ledger

    return {name: ledger(number, model) for number, (name, model) in enumerate(planned.items())}


def fits_of_main_memory(library: Library, machine: Machine) -> Answers:
    """Another law, which a test must tell from the planner's: the files beside main memory."""
    return {file.name: file.size_bytes < machine.memory.available_bytes for file in library.catalog.available()}


def find_disagreements(
    machines: Mapping[str, Machine], one: Callable[[Machine], Answers], other: Callable[[Machine], Answers]
) -> tuple[int, list[str]]:
    """The number of questions, and those with two answers."""
    answers = [(name, one(machine), other(machine)) for name, machine in machines.items()]
    assert all(ours.keys() == theirs.keys() for _, ours, theirs in answers)
    asked = [(name, model, ours[model], theirs[model]) for name, ours, theirs in answers for model in ours]
    return len(asked), [f"{name}: {model}: {a}, {b}" for name, model, a, b in asked if a is not b]


def no_hub() -> Hub:
    raise AssertionError("the Hub was asked")


def test_what_is_listed_as_fitting_is_what_is_planned(
    library: Library, machines: Mapping[str, Machine], planned: Mapping[str, PlannedModel]
) -> None:
    count, disagreements = find_disagreements(
        machines,
        lambda machine: {name: fit is Fit.YES for name, fit in listed_fits(library, machine).items()},
        lambda machine: {name: ledger.fits for name, ledger in planned_ledgers(planned, machine).items()},
    )
    assert count == len(machines) * len(library.catalog.files) > 10_000
    assert disagreements == []


def test_what_is_listed_as_tight_can_be_loaded_with_other_programs_closed(
    library: Library, machines: Mapping[str, Machine], planned: Mapping[str, PlannedModel]
) -> None:
    busy = {
        name: machines[name] for name in ("desktop, RTX 3060, 32 GB of which 6 free", "busy-gpu", "wsl2", "apple-8")
    }
    fits = {name: listed_fits(library, machine) for name, machine in busy.items()}
    assert {fit for answers in fits.values() for fit in answers.values()} == set(Fit)
    _, disagreements = find_disagreements(
        busy,
        lambda machine: {name: fit is not Fit.NO for name, fit in listed_fits(library, machine).items()},
        lambda machine: {
            name: ledger.can_load for name, ledger in planned_ledgers(planned, idle_machine(machine)).items()
        },
    )
    assert disagreements == []


def test_another_law_would_be_found_out(library: Library, machines: Mapping[str, Machine]) -> None:
    some = dict(list(machines.items())[::8])
    _, disagreements = find_disagreements(
        some,
        lambda machine: {name: fit is Fit.YES for name, fit in listed_fits(library, machine).items()},
        lambda machine: fits_of_main_memory(library, machine),
    )
    assert len(disagreements) > 50


def test_a_stored_model_fits_as_the_same_file_does_that_can_be_pulled(
    library: Library, machines: Mapping[str, Machine]
) -> None:
    def installed(machine: Machine) -> Answers:
        return {model.name: model.fits for model in list_installed(library, records, lambda: machine)[:-1]}

    records = tuple(record_of(library, name) for name in listed_fits(library, machines["no-gpu"]))
    some = dict(list(machines.items())[::8])
    count, disagreements = find_disagreements(some, lambda machine: listed_fits(library, machine), installed)
    assert (count, disagreements) == (len(some) * len(records), [])


def record_of(library: Library, name: str) -> Record:
    """What the store would have of a file of the catalog."""
    file = next(file for file in library.catalog.files if file.name == name)
    stored = StoredFile(
        FileRole.MODEL, Path(file.path), file.size_bytes, None, Origin.DOWNLOADED, file.repository, "c" * 40, file.path
    )
    summary = Summary(library.catalog.facts(file.size).label, file.parameters, 131_072, file.quantization, True)
    return Record(name, (stored,), summary, file.repository, "c" * 40, None, timestamp(), timestamp())


def test_a_machine_that_cannot_hold_a_model_in_main_memory_may_hold_it_with_its_gpu(
    library: Library, machines: Mapping[str, Machine]
) -> None:
    machine = machines["desktop, RX 6600 8 GB, 16 GB"]
    assert listed_fits(library, machine)["gemma4:26b-q4_k_m"] is Fit.YES
    assert listed_fits(library, replace(machine, gpus=()))["gemma4:26b-q4_k_m"] is Fit.NO


def test_the_id_of_the_built_in_model_is_that_of_its_file() -> None:
    assert sha256_of(DEMO_PATH).startswith(DEMO_ID)
    assert len(DEMO_ID) == ID_LENGTH
