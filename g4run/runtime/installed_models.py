"""The models on this machine: those in the store, and the built-in one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from g4run.hardware.inspection import inspect_without_gpus
from g4run.hardware.machine import Machine
from g4run.models.digest import sha256_of
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.header import read_header
from g4run.models.library import DEMO_PATH, Library
from g4run.models.names.types import DEMO
from g4run.models.store.records import ID_LENGTH, Record
from g4run.models.unlisted import describe_record
from g4run.planner.memory.catalog_weights import loaded_shape
from g4run.planner.memory.weights import shape_of
from g4run.planner.placement import estimate_fit
from g4run.planner.values import Fit


@dataclass(frozen=True, slots=True)
class InstalledModel:
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
    """Describe the records, then the built-in model; the machine is inspected only if there are records."""
    machine = inspect_machine() if records else None
    return (*(_stored(library, record, machine) for record in records if machine is not None), _built_in())


def _stored(library: Library, record: Record, machine: Machine) -> InstalledModel:
    summary, file = record.summary, describe_record(library.catalog, record)
    return InstalledModel(
        name=record.name,
        id=record.id,
        size_bytes=record.size_bytes,
        size_label=summary.size_label,
        parameters=summary.parameters,
        quantization=summary.quantization,
        modified_at=record.modified_at,
        fits=estimate_fit(loaded_shape(file, library.catalog.facts(file.size)), machine),
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
        id=sha256_of(DEMO_PATH)[:ID_LENGTH],
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
