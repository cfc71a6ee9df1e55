"""The model to plan for: on this machine, on the Hub, or only in the catalog."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from g4run.errors import InvalidModelFile, ModelNotFound, NetworkError
from g4run.hardware.machine import Machine
from g4run.models.details import ModelDetails, inspect_details
from g4run.models.library import Library
from g4run.models.names.parse import parse_name
from g4run.models.names.types import FamilyName, HubName
from g4run.models.quantizations import FileRole
from g4run.planner.memory.catalog_weights import loaded_shape, shape_of_catalog
from g4run.planner.memory.weights import shape_of
from g4run.planner.values import ModelShape
from g4run.runtime.choose_file import QuantizationChoice, with_measurements
from g4run.runtime.named_model import settle_name

if TYPE_CHECKING:
    from g4run.models.hub.client import Hub

_HINT = "g4run list, or g4run list --available"


class PlannedModel(msgspec.Struct, frozen=True):
    """A model as it would be loaded, and its first file if it is on this machine.

    The shape excludes the projector, because `run` and `chat` do not load it. Sizes are in bytes, 0 if absent.
    `choice` is the file chosen for a size's name. `unread_because` says why the header could not be read, so that
    the shape comes from the catalog.
    """

    shape: ModelShape
    path: Path | None = None
    projector_bytes: int = 0
    drafter_bytes: int = 0  # of a drafter on this machine
    choice: QuantizationChoice | None = None
    unread_because: str = ""


def find_planned_model(library: Library, name: str, machine: Machine, open_hub: "Callable[[], Hub]") -> PlannedModel:
    """Find a model by its header, on this machine or on the Hub, else in the catalog.

    The name of a size that is not installed means the file that `pull` would download for the machine. Raises
    ModelNotFound, InvalidModelFile, and NetworkError if the catalog does not list it either.
    """
    full_name, choice = settle_name(library, name, lambda: with_measurements(machine, library.settings))
    return replace(_find(library, full_name, open_hub), choice=choice)


def _find(library: Library, name: str, open_hub: "Callable[[], Hub]") -> PlannedModel:
    try:
        return _read(inspect_details(library, name, open_hub))
    except InvalidModelFile as error:
        raise InvalidModelFile(error.message, error.hint or _HINT) from None
    except (NetworkError, ModelNotFound) as error:
        parsed = parse_name(name)
        file = library.catalog.find(parsed) if isinstance(parsed, FamilyName | HubName) else None
        if file is None:
            raise
        facts = library.catalog.facts(file.size)
        projector_bytes = shape_of_catalog(file, facts).projector_bytes
        shape = loaded_shape(file, facts)
        return PlannedModel(shape, projector_bytes=projector_bytes, unread_because=error.message)


def _read(details: ModelDetails) -> PlannedModel:
    sizes = {role: sum(file.size_bytes for file in details.files if file.role is role) for role in FileRole}
    first = next(file for file in details.files if file.role is FileRole.MODEL)
    file_bytes, digest = sizes[FileRole.MODEL], first.sha256 or ""
    shape = shape_of(details.name, details.header, details.model, file_bytes=file_bytes, digest=digest)
    if details.is_remote:
        return PlannedModel(shape, projector_bytes=sizes[FileRole.PROJECTOR])
    drafters = (file for file in details.files if file.role is FileRole.DRAFTER and Path(file.location).exists())
    drafter_bytes = sum(file.size_bytes for file in drafters)
    return PlannedModel(shape, Path(first.location), sizes[FileRole.PROJECTOR], drafter_bytes)
