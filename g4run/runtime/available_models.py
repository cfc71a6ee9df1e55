"""The models that can be pulled, from the catalog or from one repository as the Hub lists it now."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from g4run.errors import UsageError
from g4run.hardware.machine import Machine
from g4run.models.catalog.live import LiveFile, catalog_entries
from g4run.models.catalog.values import CatalogFile, Quality, SizeFacts
from g4run.models.library import Library
from g4run.models.names.parse import parse_name
from g4run.models.names.types import DEFAULT_SIZE, FAMILY, FamilyName, HubName, Size
from g4run.models.unlisted import describe_unlisted
from g4run.planner.memory.catalog_weights import loaded_shape
from g4run.planner.placement import estimate_fit
from g4run.planner.values import Fit
from g4run.runtime.choose_file import MeasuredMachine
from g4run.runtime.named_model import settle_name

if TYPE_CHECKING:
    from g4run.models.hub.client import Hub


class AvailableModel(msgspec.Struct, frozen=True):
    """A model that can be pulled; None if a value is unknown.

    `is_confirmed` says that its file was seen on the Hub; `short_names` are the size names that mean it.
    """

    name: str
    repository: str
    paths: tuple[str, ...]
    quantization: str | None
    size_bytes: int | None
    size_is_exact: bool
    bits_per_weight: float | None
    quality: Quality | None
    fits: Fit | None
    is_confirmed: bool
    is_installed: bool
    short_names: tuple[str, ...] = ()


def find_available(
    library: Library, typed: str | None, inspect_machine: Callable[[], Machine], open_hub: "Callable[[], Hub]"
) -> tuple[AvailableModel, ...]:
    """List the models of every size, of one size, or of one repository.

    Raises UsageError for anything else, and NetworkError and ModelNotFound for a repository.
    """
    place = _parse(typed)
    if isinstance(place, HubName):
        return _Listing(library, inspect_machine).of_repository(place, open_hub())
    return _Listing(library, inspect_machine).of_catalog(place)


def with_short_names(
    library: Library, models: Sequence[AvailableModel], find_machine: Callable[[], MeasuredMachine | None]
) -> tuple[AvailableModel, ...]:
    """Add to the models of the catalog the names of sizes that mean them on this machine."""
    listed, names = {model.name for model in models}, dict[str, tuple[str, ...]]()
    for facts in library.catalog.sizes:
        if facts.default.name in listed:
            file = _file_of_size(library, facts, find_machine)
            family = (FAMILY,) if facts.size is DEFAULT_SIZE else ()
            names[file.name if file else ""] = (*family, FamilyName(facts.size).text)
    return tuple(replace(model, short_names=names.get(model.name, ())) for model in models)


def _file_of_size(
    library: Library, facts: SizeFacts, find_machine: Callable[[], MeasuredMachine | None]
) -> CatalogFile | None:
    """Return the file of the catalog that a size's name means; None if the store has another under that name."""
    name = FamilyName(facts.size).text
    record = library.store.find(name)
    if record is not None:
        place = record.model_files[0].hub_place
        return None if place is None else library.catalog.find_file(*place)
    _, choice = settle_name(library, name, find_machine)
    return choice.file if choice else facts.default


def _parse(typed: str | None) -> Size | HubName | None:
    if typed is None:
        return None
    if typed.lower() in tuple(Size):
        return Size(typed.lower())
    match parse_name(typed):
        case FamilyName(size=size):
            return size
        case HubName() as name:
            return name
    sizes = ", ".join(Size)
    raise UsageError(f"{typed} is neither a size nor a repository", f"one of {sizes}, or hf.co/USER/REPO")


class _Listing:
    """Lists models with their fit on this machine and whether they are installed."""

    def __init__(self, library: Library, inspect_machine: Callable[[], Machine]) -> None:
        self._catalog = library.catalog
        self._machine = inspect_machine()
        self._installed = {
            (place[0].lower(), place[1].lower())
            for record in library.store.records()
            for file in record.model_files
            if (place := file.hub_place) is not None
        }

    def of_catalog(self, size: Size | None) -> tuple[AvailableModel, ...]:
        """List the catalog's models, of one size or all."""
        return tuple(self._describe(file, file, file.name) for file in self._catalog.available(size))

    def of_repository(self, name: HubName, hub: "Hub") -> tuple[AvailableModel, ...]:
        """List every model that a repository holds now, named by path if its quantization is not unique."""
        found = catalog_entries(hub.list_repository(name.repository, name.revision))
        tags = [file.quantization for file in found]
        return tuple(
            self._describe(
                file,
                self._catalog.find_file(file.repository, file.path),
                _name_of(file, names_file=tags.count(file.quantization) > 1),
            )
            for file in found
        )

    def _describe(self, file: CatalogFile | LiveFile, known: CatalogFile | None, name: str) -> AvailableModel:
        """Describe a listed file; `known` is its entry in the catalog."""
        size_bytes = file.size_bytes
        return AvailableModel(
            name=name,
            repository=file.repository,
            paths=file.paths,
            quantization=file.quantization,
            size_bytes=size_bytes,
            size_is_exact=isinstance(file, LiveFile) or file.size_is_exact,
            bits_per_weight=size_bytes * 8 / known.parameters if known and size_bytes is not None else None,
            quality=known.quality if known else None,
            fits=None if size_bytes is None else self._fit(file, known, size_bytes),
            is_confirmed=isinstance(file, LiveFile) or file.path_is_confirmed,
            is_installed=(file.repository.lower(), file.path.lower()) in self._installed,
        )

    def _fit(self, file: CatalogFile | LiveFile, known: CatalogFile | None, size_bytes: int) -> Fit:
        listed = known or describe_unlisted(
            self._catalog,
            name=file.path,
            repository=file.repository,
            paths=file.paths,
            size_bytes=size_bytes,
            quantization=file.quantization,
        )
        shape = loaded_shape(replace(listed, size_bytes=size_bytes), self._catalog.facts(listed.size))
        return estimate_fit(shape, self._machine)


def _name_of(file: LiveFile, *, names_file: bool) -> str:
    place = f":{file.quantization}" if file.quantization and not names_file else f"/{file.path}"
    return f"hf.co/{file.repository}{place}"
