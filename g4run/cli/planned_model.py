"""The model that `plan` is asked about: here, on the Hub, or only in the catalog."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from g4run.cli.output import Stream
from g4run.errors import InvalidModelFile, ModelNotFound, NetworkError

if TYPE_CHECKING:
    from g4run.models.catalog.catalog import CatalogFile
    from g4run.models.details import ModelDetails
    from g4run.models.hub.client import Hub
    from g4run.models.library import Library
    from g4run.planner.values import ModelShape

_HINT = "`g4run list` and `g4run list --available` show what can be planned"


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model's weights, and the first of its files where it is on this machine."""

    shape: "ModelShape"
    path: Path | None = None


def find_planned_model(library: "Library", name: str, notes: Stream) -> PlannedModel:
    """A model from its header, here or on the Hub, else from the catalog, which is said.

    Raises ModelNotFound, InvalidModelFile, and NetworkError for what the catalog does not know either.
    """
    from g4run.models.details import inspect_details
    from g4run.planner.catalog_shapes import shape_of_catalog

    try:
        return _read(inspect_details(library, name, partial(_open_hub, library)))
    except InvalidModelFile as error:
        raise InvalidModelFile(error.message, error.hint or _HINT) from None
    except (NetworkError, ModelNotFound) as error:
        file = _find_in_catalog(library, name)
        if file is None:
            raise
        notes.write(f"{error.message}; the plan is from the catalog, a few percent off\n")
        return PlannedModel(shape_of_catalog(file, library.catalog.facts(file.size)))


def _read(details: "ModelDetails") -> PlannedModel:
    from g4run.models.gguf.architecture import inspect_architecture
    from g4run.models.quantizations import FileRole
    from g4run.planner.shape import shape_of

    sizes = {role: sum(file.size_bytes for file in details.files if file.role is role) for role in FileRole}
    first = next(file for file in details.files if file.role is FileRole.MODEL)
    shape = shape_of(
        details.name,
        details.header,
        inspect_architecture(details.header),
        file_bytes=sizes[FileRole.MODEL],
        projector_bytes=sizes[FileRole.PROJECTOR],
        digest=first.sha256 or "",
    )
    return PlannedModel(shape, None if details.is_remote else Path(first.location))


def _open_hub(library: "Library") -> "Hub":
    from g4run.models.hub.client import Hub

    return Hub(library.settings)


def _find_in_catalog(library: "Library", name: str) -> "CatalogFile | None":
    from g4run.models.names.parse import FamilyName, HubName, parse_name

    match parse_name(name):
        case FamilyName() as family:
            return library.catalog.resolve(family)
        case HubName(repository=repository, quantization=str(quantization)):
            return library.catalog.find_quantization(repository, quantization)
        case HubName(repository=repository, file=str(path)):
            return library.catalog.find_file(repository, path)
        case HubName(repository=repository):
            return library.catalog.find_default(repository)
    return None
