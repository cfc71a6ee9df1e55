"""Which file is meant where a name leaves it open: what `recommend` would choose on this machine.

Shared by `pull` with the name of a size, and by `chat` without a name. Nothing here writes, or asks the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from g4run.errors import G4RunError
from g4run.hardware.inspection import inspect_machine
from g4run.hardware.machine import Machine
from g4run.models.catalog.catalog import Catalog, CatalogFile
from g4run.models.names.parse import DEFAULT_SIZE, Size
from g4run.models.quantizations import normalize_quantization
from g4run.models.store.store import Record, Store
from g4run.planner.fit import Fit, judge_fit, needed_bytes
from g4run.planner.hypothetical_machine import free_machine
from g4run.planner.recommend.candidates import Candidate
from g4run.planner.recommend.goals import RecommendRequest
from g4run.planner.recommend.quality import is_acceptable
from g4run.planner.recommend.reasons import whose_memory
from g4run.planner.recommend.recommend import recommend
from g4run.planner.speed.measured import MeasuredSpeed, known_digests
from g4run.runtime.speeds import measured_speeds
from g4run.settings import Settings

CLEARLY_BETTER = 0.5  # of usefulness, half a step between two sizes: less is not worth fetching gigabytes for


@dataclass(frozen=True, slots=True)
class MeasuredMachine:
    """A machine, the speeds that were measured on it, and the digests of the files that they belong to."""

    machine: Machine
    measured: tuple[MeasuredSpeed, ...] = ()
    digests: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuantizationChoice:
    """The file that the name of a size means on a machine, why, and how it fits."""

    file: CatalogFile
    reason: str
    fit: Fit


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What to talk to: a model that is here and fits now, and a file of the catalog that would be clearly better.

    Where none is here, `better` is the best of all that fit; None where nothing does.
    """

    here: Record | None
    better: CatalogFile | None


def inspect_measured_machine(settings: Settings) -> MeasuredMachine | None:
    """This machine; None where it cannot be looked at."""
    try:
        machine = inspect_machine(settings)
    except (G4RunError, OSError):
        return None
    return with_measurements(machine, settings)


def with_measurements(machine: Machine, settings: Settings) -> MeasuredMachine:
    """A machine, and what was measured on it, if anything was."""
    return MeasuredMachine(machine, measured_speeds(settings, machine), known_digests(Store(settings).records()))


def choose_quantization(catalog: Catalog, known: MeasuredMachine, size: Size) -> QuantizationChoice:
    """The best file of a size that fits now, else the best that would fit after freeing memory, else the default."""
    request = RecommendRequest(size=size)
    best = _recommend(catalog, known.machine, known, request)
    if best is not None:
        return QuantizationChoice(best.file, best.reason, Fit.YES)
    freed = _recommend(catalog, free_machine(known.machine), known, request)
    if freed is None:
        return QuantizationChoice(catalog.facts(size).default, "no file of it fits this machine", Fit.NO)
    freeing = whose_memory(freed, known.machine) or "what other programs hold of the memory"
    return QuantizationChoice(freed.file, f"nothing of it fits now, and this needs {freeing}", Fit.TIGHT)


def _recommend(
    catalog: Catalog, machine: Machine, known: MeasuredMachine, request: RecommendRequest
) -> Candidate | None:
    return recommend(catalog, machine, request, measured=known.measured, digests=known.digests).best


def choose_model(
    catalog: Catalog, records: Sequence[Record], known: MeasuredMachine, request: RecommendRequest
) -> ModelChoice:
    """The most useful of the records that fits, and what would be clearly better. All of them are whole."""
    best = _recommend(catalog, known.machine, known, request)
    found = _choose_listed(catalog, records, known, request)
    if found is not None:
        here, usefulness = found
        is_better = best is not None and best.usefulness - usefulness > CLEARLY_BETTER
        return ModelChoice(here, best.file if best and is_better else None)
    unknown = _choose_unknown(catalog, records, known.machine)
    return ModelChoice(unknown, None if unknown or best is None else best.file)


def choose_unseen(catalog: Catalog, records: Sequence[Record]) -> ModelChoice:
    """The newest of the records, else the default of the family: where nobody knows the machine."""
    newest = next(iter(records), None)
    return ModelChoice(newest, None if newest else catalog.facts(DEFAULT_SIZE).default)


def find_whole(records: Sequence[Record]) -> tuple[Record, ...]:
    """The records whose weights are still there."""
    return tuple(record for record in records if all(file.path.exists() for file in record.model_files))


def _choose_listed(
    catalog: Catalog, records: Sequence[Record], known: MeasuredMachine, request: RecommendRequest
) -> tuple[Record, float] | None:
    """The most useful of the records that are members of the family, and how useful it is.

    They are compared as if they were all that the catalog has.
    """
    files = tuple(file for record in records if (file := _as_listed(catalog, record)) is not None)
    best = _recommend(replace(catalog, files=files), known.machine, known, request)
    if best is None:
        return None
    return next(record for record in records if record.name == best.file.name), best.usefulness


def _as_listed(catalog: Catalog, record: Record) -> CatalogFile | None:
    """A record as the catalog would list it, under its own name; None where its size or quantization is unknown."""
    listed = _catalog_file(catalog, record) or _imported_file(catalog, record)
    if listed is None or not is_acceptable(listed.quantization):
        return None
    return replace(listed, name=record.name, size_bytes=_weights_bytes(record), sha256=record.digest)


def _imported_file(catalog: Catalog, record: Record) -> CatalogFile | None:
    """A file that the catalog does not have, by what the store noted of its header."""
    facts = next((facts for facts in catalog.sizes if facts.label == record.summary.size_label), None)
    quantization = normalize_quantization(record.summary.quantization)
    if facts is None or quantization is None:
        return None
    return CatalogFile(
        name=record.name,
        repository=record.repository or "",
        paths=tuple(file.path.name for file in record.model_files),
        quantization=quantization,
        size=facts.size,
        parameters=facts.parameters,
        is_qat="qat" in record.path.name.lower(),
        size_bytes=_weights_bytes(record),
        size_is_exact=True,
        path_is_confirmed=True,
        sha256=record.digest,
        revision=record.commit,
        quality=None,
        projector=None,
        drafter=None,
    )


def _catalog_file(catalog: Catalog, record: Record) -> CatalogFile | None:
    """What the catalog knows of a record's weights."""
    file = record.model_files[0]
    if file.repository is None or file.repository_path is None:
        return None
    return catalog.find_file(file.repository, file.repository_path)


def _choose_unknown(catalog: Catalog, records: Sequence[Record], machine: Machine) -> Record | None:
    """The newest of the records that cannot be compared, if its size alone lets it fit."""
    others = (record for record in records if _as_listed(catalog, record) is None)
    return next((record for record in others if _fits_by_size(record, machine)), None)


def _fits_by_size(record: Record, machine: Machine) -> bool:
    needed = needed_bytes(_weights_bytes(record), record.summary.size_label)
    return judge_fit(needed, machine.memory) is Fit.YES


def _weights_bytes(record: Record) -> int:
    return sum(file.size_bytes for file in record.model_files)
