"""The model that `plan` is asked about: here, on the Hub, or only in the catalog."""

import textwrap
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from g4run.cli.output import Stream
from g4run.errors import InvalidModelFile, ModelNotFound, NetworkError

if TYPE_CHECKING:
    from g4run.hardware.machine import Machine
    from g4run.models.catalog.catalog import CatalogFile
    from g4run.models.details import ModelDetails
    from g4run.models.hub.client import Hub
    from g4run.models.library import Library
    from g4run.planner.values import ModelShape

_HINT = "`g4run list` and `g4run list --available` show what can be planned"


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model as it would be loaded, and the first of its files where it is on this machine.

    Its projector is not in the shape: `run` and `chat` do not load it. Sizes are in bytes, 0 for what it has not.
    """

    shape: "ModelShape"
    path: Path | None = None
    projector_bytes: int = 0
    drafter_bytes: int = 0  # of one that is on this machine


def find_planned_model(library: "Library", name: str, machine: "Machine", notes: Stream) -> PlannedModel:
    """A model from its header, here or on the Hub, else from the catalog, which is said.

    The name of a size that is not here means what `pull` would fetch for the machine. Raises ModelNotFound,
    InvalidModelFile, and NetworkError for what the catalog does not know either.
    """
    return _find(library, _choose(library, name, machine, notes), notes)


def _choose(library: "Library", name: str, machine: "Machine", notes: Stream) -> str:
    """The name of the file that is meant; where that was chosen, which and why is said."""
    from g4run.cli.views.pull import render_choice
    from g4run.cli.views.tables import line_width
    from g4run.models.names.parse import FamilyName
    from g4run.models.pull.target import PullRequest, open_size
    from g4run.runtime.choose_file import choose_quantization, with_measurements

    size = open_size(library, PullRequest(name))
    if size is None:
        return name
    choice = choose_quantization(library.catalog, with_measurements(machine, library.settings), size)
    note = render_choice(FamilyName(size).text, choice)
    notes.write(textwrap.fill(note, line_width(notes) or len(note), break_on_hyphens=False) + "\n")
    return choice.file.name


def _find(library: "Library", name: str, notes: Stream) -> PlannedModel:
    from g4run.models.details import inspect_details
    from g4run.planner.memory.catalog_weights import shape_of_catalog

    try:
        return _read(inspect_details(library, name, partial(_open_hub, library)))
    except InvalidModelFile as error:
        raise InvalidModelFile(error.message, error.hint or _HINT) from None
    except (NetworkError, ModelNotFound) as error:
        file = _find_in_catalog(library, name)
        if file is None:
            raise
        notes.write(f"{error.message}; the plan is from the catalog, a few percent off\n")
        shape = shape_of_catalog(file, library.catalog.facts(file.size))
        return PlannedModel(replace(shape, projector_bytes=0), projector_bytes=shape.projector_bytes)


def _read(details: "ModelDetails") -> PlannedModel:
    from g4run.models.gguf.architecture import inspect_architecture
    from g4run.models.quantizations import FileRole
    from g4run.planner.memory.weights import shape_of

    sizes = {role: sum(file.size_bytes for file in details.files if file.role is role) for role in FileRole}
    first = next(file for file in details.files if file.role is FileRole.MODEL)
    shape = shape_of(
        details.name,
        details.header,
        inspect_architecture(details.header),
        file_bytes=sizes[FileRole.MODEL],
        digest=first.sha256 or "",
    )
    if details.is_remote:
        return PlannedModel(shape, projector_bytes=sizes[FileRole.PROJECTOR])
    drafters = (file for file in details.files if file.role is FileRole.DRAFTER and Path(file.location).exists())
    drafter_bytes = sum(file.size_bytes for file in drafters)
    return PlannedModel(shape, Path(first.location), sizes[FileRole.PROJECTOR], drafter_bytes)


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
