"""The models on this machine: those in the store, and the built-in one."""

from collections.abc import Callable, Sequence

import msgspec

from g4run.hardware.inspection import inspect_without_gpus
from g4run.hardware.machine import Machine
from g4run.models.catalog.catalog import Catalog
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.header import read_header
from g4run.models.library import DEMO_PATH, Library
from g4run.models.names.types import DEMO
from g4run.models.store.records import Record
from g4run.models.unlisted import describe_record
from g4run.planner.memory.catalog_weights import loaded_shape
from g4run.planner.memory.weights import shape_of
from g4run.planner.placement import estimate_fit
from g4run.planner.values import Fit, ModelShape

DEMO_ID = "e6ff43dfbeac"  # hashing the file would take 5 ms


class InstalledModel(msgspec.Struct, frozen=True):
    """A model on this machine; `modified_at` is RFC 3339, None for the built-in model."""

    name: str
    id: str
    size_bytes: int
    size_label: str
    parameters: int
    quantization: str
    modified_at: str | None
    fits: Fit
    repository: str | None
    commit: str | None
    paths: tuple[str, ...]


def list_installed(
    library: Library, records: Sequence[Record], inspect_machine: Callable[[], Machine]
) -> tuple[InstalledModel, ...]:
    """Describe the records, then the built-in model; the machine is inspected only if there are records.

    Names of the same weights are planned once.
    """
    fits: dict[str, Fit] = {}
    if records:
        machine, weights = inspect_machine(), {record.id: record for record in records}
        fits = {id_: estimate_fit(_shape_of(library.catalog, record), machine) for id_, record in weights.items()}
    return (*(_stored(record, fits[record.id]) for record in records), _built_in())


def _shape_of(catalog: Catalog, record: Record) -> ModelShape:
    file = describe_record(catalog, record)
    return loaded_shape(file, catalog.facts(file.size))


def _stored(record: Record, fit: Fit) -> InstalledModel:
    summary = record.summary
    return InstalledModel(
        name=record.name,
        id=record.id,
        size_bytes=record.size_bytes,
        size_label=summary.size_label,
        parameters=summary.parameters,
        quantization=summary.quantization,
        modified_at=record.modified_at,
        fits=fit,
        repository=record.repository,
        commit=record.commit,
        paths=tuple(str(file.path) for file in record.files),
    )


def _built_in() -> InstalledModel:
    """Describe the built-in model, which is loaded without a GPU."""
    header = read_header(DEMO_PATH)
    model, size_bytes = inspect_architecture(header), DEMO_PATH.stat().st_size
    shape = shape_of(DEMO, header, model, file_bytes=size_bytes)
    return InstalledModel(
        name=DEMO,
        id=DEMO_ID,
        size_bytes=size_bytes,
        size_label=model.size_label,
        parameters=model.parameters,
        quantization=max(header.tensors, key=lambda tensor: tensor.elements).type.name,
        modified_at=None,
        fits=estimate_fit(shape, inspect_without_gpus()),
        repository=None,
        commit=None,
        paths=(str(DEMO_PATH),),
    )
