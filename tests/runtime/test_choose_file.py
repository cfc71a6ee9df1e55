"""The file for a name that leaves it open, on the detectors' test machines."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.hardware.machine import Machine
from g4run.models.catalog.catalog import Catalog, read_catalog
from g4run.models.catalog.values import CatalogFile
from g4run.models.names.parse import parse_name
from g4run.models.names.types import FamilyName, Size
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile, Summary
from g4run.planner.recommend.goals import RecommendRequest
from g4run.planner.recommend.recommend import recommend
from g4run.planner.values import Fit
from g4run.runtime.choose_file import (
    MeasuredMachine,
    ModelChoice,
    QuantizationChoice,
    choose_model,
    choose_quantization,
    find_complete,
    render_choice,
    render_missing,
)
from tests.hardware.recorded import load_recorded

TIME = "2026-01-02T03:04:05+00:00"
CHAT = RecommendRequest()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog(Path("nowhere"))


def machine(name: str, root: Path) -> Machine:
    return load_recorded(name, root).inspect()


def with_memory(machine: Machine, available_bytes: int) -> Machine:
    """Return the machine with this much free main memory, and none on a GPU."""
    return replace(machine, gpus=(), memory=replace(machine.memory, available_bytes=available_bytes))


def file_of(catalog: Catalog, name: str) -> CatalogFile:
    parsed = parse_name(name)
    assert isinstance(parsed, FamilyName)
    return catalog.resolve(parsed)


def pulled(catalog: Catalog, name: str, *, under: str | None = None, time: str = TIME) -> Record:
    """Return a record of a catalog file."""
    file = file_of(catalog, name)
    label = catalog.facts(file.size).label
    stored = StoredFile(
        FileRole.MODEL, Path(file.path), file.size_bytes, None, Origin.DOWNLOADED, file.repository, "c" * 40, file.path
    )
    summary = Summary(label, file.parameters, 131072, file.quantization, True)
    return Record(under or name, (stored,), summary, file.repository, "c" * 40, None, TIME, time)


def imported(name: str, label: str, quantization: str, size_bytes: int, file_name: str = "own.gguf") -> Record:
    """Return a record of an imported file."""
    stored = StoredFile(FileRole.MODEL, Path(file_name), size_bytes, None, Origin.LINKED)
    return Record(name, (stored,), Summary(label, 1, 131072, quantization, True), None, None, None, TIME, TIME)


@pytest.mark.parametrize("size", Size)
@pytest.mark.parametrize("name", ["apple-64", "desktop", "laptop", "no-gpu", "quota-2-of-64"])
def test_a_size_means_what_recommend_chooses(catalog: Catalog, tmp_path: Path, name: str, size: Size) -> None:
    known = MeasuredMachine(machine(name, tmp_path))
    best = recommend(catalog, known.machine, RecommendRequest(size=size)).require_best()
    assert choose_quantization(catalog, known, size) == QuantizationChoice(best.file, best.reason, Fit.YES)


def test_a_size_does_not_mean_the_same_everywhere(catalog: Catalog, tmp_path: Path) -> None:
    names = ("desktop", "no-driver")
    known = [MeasuredMachine(machine(name, tmp_path / name)) for name in names]
    chosen = [choose_quantization(catalog, each, Size.A4B_26B).file.name for each in known]
    assert chosen == ["gemma4:26b-qat-q4_0", "gemma4:26b-ud-q3_k_xl"]


def test_if_nothing_fits_now_a_size_means_the_best_after_freeing_memory(catalog: Catalog, tmp_path: Path) -> None:
    idle = with_memory(machine("desktop", tmp_path), 60 * 10**9)
    best = choose_quantization(catalog, MeasuredMachine(idle), Size.A4B_26B)
    choice = choose_quantization(catalog, MeasuredMachine(with_memory(idle, 3 * 10**9)), Size.A4B_26B)
    assert (best.fit, choice.fit, choice.file) == (Fit.YES, Fit.TIGHT, best.file)
    assert choice.reason.startswith("no file of this size fits now, and this one needs ")
    assert " more of main memory, in use by " in choice.reason


def test_if_nothing_ever_fits_a_size_means_the_catalogs_default(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(machine("container-8gib", tmp_path))
    default = catalog.facts(Size.DENSE_31B).default
    assert choose_quantization(catalog, known, Size.DENSE_31B) == QuantizationChoice(
        default, "no file of this size fits this machine", Fit.NO
    )


def test_without_installed_models_the_best_file_is_named(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(machine("apple-64", tmp_path))
    best = recommend(catalog, known.machine, CHAT).require_best().file
    assert choose_model(catalog, (), known, CHAT) == ModelChoice(None, best)


def test_the_best_file_is_found_under_any_name(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(machine("apple-64", tmp_path))
    best = recommend(catalog, known.machine, CHAT).require_best().file
    records = (pulled(catalog, "gemma4:e2b"), pulled(catalog, best.name, under="mine"))
    assert choose_model(catalog, records, known, CHAT) == ModelChoice(records[1], None)


def test_the_most_useful_model_is_chosen_and_a_clearly_better_one_named(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(machine("apple-64", tmp_path))
    best = recommend(catalog, known.machine, CHAT).require_best().file
    small, larger = pulled(catalog, "gemma4:e2b"), pulled(catalog, "gemma4:e4b")
    assert choose_model(catalog, (small, larger), known, CHAT) == ModelChoice(larger, best)
    assert choose_model(catalog, (larger, small), known, CHAT) == ModelChoice(larger, best)


def test_a_slightly_better_file_is_not_mentioned(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(machine("apple-64", tmp_path))
    here = pulled(catalog, "gemma4:26b-qat-ud-q4_k_xl")
    assert recommend(catalog, known.machine, CHAT).require_best().file.name == "gemma4:26b-qat-q4_0"
    assert choose_model(catalog, (here,), known, CHAT) == ModelChoice(here, None)


def test_a_model_that_does_not_fit_now_is_skipped(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(with_memory(machine("desktop", tmp_path), 6 * 10**9))
    large, small = pulled(catalog, "gemma4:31b"), pulled(catalog, "gemma4:e2b")
    assert choose_model(catalog, (large, small), known, CHAT).installed == small
    choice = choose_model(catalog, (large,), known, CHAT)
    assert choice.installed is None
    assert choice.better == recommend(catalog, known.machine, CHAT).require_best().file


def test_an_imported_file_is_ranked_by_its_header(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(machine("apple-64", tmp_path))
    small = pulled(catalog, "gemma4:e2b")
    own = imported("mine", "26B A4B", "Q4_K_M", 16_000_000_000)
    assert choose_model(catalog, (small, own), known, CHAT) == ModelChoice(own, None)


@pytest.mark.parametrize(("label", "quantization"), [("other", "Q8_0"), ("E4B", "unknown"), ("E4B", "Q2_K")])
def test_incomparable_models_come_last_newest_first(
    catalog: Catalog, tmp_path: Path, label: str, quantization: str
) -> None:
    known = MeasuredMachine(machine("apple-64", tmp_path))
    newest = imported("newest", label, quantization, 2_000_000_000)
    older = imported("older", label, quantization, 3_000_000_000)
    small = pulled(catalog, "gemma4:e2b")
    assert choose_model(catalog, (newest, older, small), known, CHAT).installed == small
    assert choose_model(catalog, (newest, older), known, CHAT) == ModelChoice(newest, None)
    too_large = replace(newest, files=(replace(newest.files[0], size_bytes=10**12),))
    assert choose_model(catalog, (too_large, older), known, CHAT) == ModelChoice(older, None)


def test_a_requested_context_counts(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(machine("desktop", tmp_path))
    large, small = pulled(catalog, "gemma4:31b"), pulled(catalog, "gemma4:26b")
    long = RecommendRequest(context=262144)
    assert choose_model(catalog, (large, small), known, CHAT).installed == large
    assert choose_model(catalog, (large, small), known, long).installed == small


def test_if_nothing_fits_nothing_is_offered(catalog: Catalog, tmp_path: Path) -> None:
    known = MeasuredMachine(with_memory(machine("desktop", tmp_path), 10**8))
    assert choose_model(catalog, (pulled(catalog, "gemma4:e2b"),), known, CHAT) == ModelChoice(None, None)


def test_an_unknown_machine_gets_the_newest_or_the_default(catalog: Catalog) -> None:
    newest, older = pulled(catalog, "gemma4:31b"), pulled(catalog, "gemma4:e2b")
    assert choose_model(catalog, (newest, older), None, CHAT) == ModelChoice(newest, None)
    assert choose_model(catalog, (), None, CHAT) == ModelChoice(None, catalog.facts(Size.E4B).default)


def test_records_with_missing_weights_are_ignored(catalog: Catalog, tmp_path: Path) -> None:
    there, gone = (imported(name, "E2B", "Q8_0", 5, str(tmp_path / name)) for name in ("there", "gone"))
    there.path.touch()
    assert find_complete((gone, there)) == (there,)


def test_a_choice_says_what_a_name_means_and_why(catalog: Catalog) -> None:
    file = catalog.facts(Size.A4B_26B).default
    choice = QuantizationChoice(file, "the best of 9 files", Fit.YES)
    assert render_choice("gemma4:26b", choice) == "gemma4:26b means gemma4:26b-qat-q4_0 here: the best of 9 files"
    assert render_missing("gemma4:26b", choice, file) == (
        "gemma4:26b means gemma4:26b-qat-q4_0 here: gemma4:26b-qat-q4_0 would suit better, but is not on the Hub"
    )
