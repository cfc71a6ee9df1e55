"""Choose the file for a name that leaves it open, as `recommend` would on this machine.

All commands use this for the name of a size, and `chat` without a name. Nothing here writes or uses the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from g4run.errors import G4RunError
from g4run.hardware.inspection import inspect_machine
from g4run.hardware.machine import Machine
from g4run.models.catalog.catalog import Catalog
from g4run.models.catalog.values import CatalogFile
from g4run.models.names.types import DEFAULT_SIZE, Size
from g4run.models.quantizations import normalize_quantization
from g4run.models.store.store import Record, Store
from g4run.models.unlisted import describe_record
from g4run.planner.hypothetical_machine import idle_machine
from g4run.planner.memory.catalog_weights import loaded_shape
from g4run.planner.placement import estimate_fit, fits
from g4run.planner.recommend.goals import RecommendRequest, attempts
from g4run.planner.recommend.quality import is_acceptable
from g4run.planner.recommend.reasons import memory_to_free
from g4run.planner.recommend.recommend import Recommendation, recommend
from g4run.planner.speed.measured import MeasuredSpeed, known_digests
from g4run.planner.values import Fit, PlanRequest
from g4run.runtime.speeds import measured_speeds
from g4run.settings import Settings
from g4run.units import render_count

CLEARLY_BETTER = 0.5  # of usefulness, half a step between two sizes: less is not worth a download of gigabytes


@dataclass(frozen=True, slots=True)
class MeasuredMachine:
    """A machine, the speeds measured on it, and the digests of the measured files."""

    machine: Machine
    measured: tuple[MeasuredSpeed, ...] = ()
    digests: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuantizationChoice:
    """The file that a size name means on a machine, the reason, and whether it fits."""

    file: CatalogFile
    reason: str
    fit: Fit


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model to chat with: an installed one that fits now, and a clearly better catalog file, if there is one.

    Without an installed one, `better` is the best file that fits; None if none does.
    """

    installed: Record | None
    better: CatalogFile | None


def inspect_measured_machine(settings: Settings) -> MeasuredMachine | None:
    """Inspect this machine and add its measured speeds; None if the inspection fails."""
    try:
        machine = inspect_machine(settings)
    except (G4RunError, OSError):
        return None
    return with_measurements(machine, settings)


def with_measurements(machine: Machine, settings: Settings) -> MeasuredMachine:
    """Return a machine with the speeds measured on it."""
    return MeasuredMachine(machine, measured_speeds(settings, machine), known_digests(Store(settings).records()))


def choose_quantization(catalog: Catalog, known: MeasuredMachine, size: Size) -> QuantizationChoice:
    """Choose the best file of a size that fits now, else the best that would after freeing memory, else the default."""
    request, facts = RecommendRequest(size=size), catalog.facts(size)
    best = recommend_file(catalog, known, request).best
    if best is not None:
        return QuantizationChoice(best.file, best.reason, Fit.YES)
    freed = recommend_file(catalog, replace(known, machine=idle_machine(known.machine)), request).best
    file = facts.default if freed is None else freed.file
    fit = estimate_fit(loaded_shape(file, facts), known.machine)
    with_context = f" with a context of {render_count(attempts(request)[-1].context)} tokens" if fit is Fit.YES else ""
    if freed is None:
        return QuantizationChoice(file, f"no file of this size fits this machine{with_context}", fit)
    freeing = memory_to_free(freed, known.machine) or "memory that other programs use"
    return QuantizationChoice(file, f"no file of this size fits now{with_context}, and this one needs {freeing}", fit)


def recommend_file(catalog: Catalog, known: MeasuredMachine, request: RecommendRequest) -> Recommendation:
    """Recommend a file for a machine, by measured speeds where there are any."""
    return recommend(catalog, known.machine, request, measured=known.measured, digests=known.digests)


def choose_model(
    catalog: Catalog, records: Sequence[Record], known: MeasuredMachine | None, request: RecommendRequest
) -> ModelChoice:
    """Choose the most useful record that fits, and a clearly better file. All records must be complete.

    Records are compared as if they were the whole catalog; of those that cannot be compared, the newest that fits is
    chosen. For an unknown machine, choose the newest record, else the family's default.
    """
    if known is None:
        newest = next(iter(records), None)
        return ModelChoice(newest, None if newest else catalog.facts(DEFAULT_SIZE).default)
    best = recommend_file(catalog, known, request).best
    files = tuple(describe_record(catalog, record) for record in records if _is_comparable(catalog, record))
    found = recommend_file(structs.replace(catalog, files=files), known, request).best
    if found is not None:
        installed = next(record for record in records if record.name == found.file.name)
        is_better = best is not None and best.usefulness - found.usefulness > CLEARLY_BETTER
        return ModelChoice(installed, best.file if best and is_better else None)
    newest = _find_fitting(catalog, records, known.machine, request)
    return ModelChoice(newest, None if newest or best is None else best.file)


def find_complete(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records whose weights still exist."""
    return tuple(record for record in records if all(file.path.exists() for file in record.model_files))


def render_choice(name: str, choice: QuantizationChoice) -> str:
    """Say which file a size name means on this machine, and why."""
    return f"{name} means {choice.file.name} here: {choice.reason}"


def render_missing(name: str, choice: QuantizationChoice, default: CatalogFile) -> str:
    """Say which file is used because the Hub does not have the chosen one."""
    return f"{name} means {default.name} here: {choice.file.name} would suit better, but is not on the Hub"


def _is_comparable(catalog: Catalog, record: Record) -> bool:
    """Return whether the size and the quantization of a record are known and acceptable."""
    place, summary = record.model_files[0].hub_place, record.summary
    is_listed = place is not None and catalog.find_file(*place) is not None
    is_member = any(facts.label == summary.size_label for facts in catalog.sizes)
    is_known = is_listed or (is_member and normalize_quantization(summary.quantization) is not None)
    return is_known and is_acceptable(describe_record(catalog, record).quantization)


def _find_fitting(
    catalog: Catalog, records: Sequence[Record], machine: Machine, request: RecommendRequest
) -> Record | None:
    """Return the newest record that fits with the requested settings."""
    asked = PlanRequest(context=request.context, kv_type=request.kv_type)
    described = ((record, describe_record(catalog, record)) for record in records)
    shapes = ((record, loaded_shape(file, catalog.facts(file.size))) for record, file in described)
    return next((record for record, shape in shapes if fits(shape, machine, asked)), None)
