"""Resolve a name to be pulled: a repository of the Hub, and which of its files."""

from dataclasses import dataclass

from g4run.errors import UsageError
from g4run.models.catalog.values import CatalogFile, CompanionFile
from g4run.models.library import Library
from g4run.models.names.parse import parse_name
from g4run.models.names.types import CustomName, DemoName, FamilyName, HubName, PathName, Size
from g4run.models.store.store import Record, StoredFile


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What to pull; a record, if given, decides instead of the name.

    `entry` is the file that was chosen for a name that leaves the quantization open; None: the catalog's default.
    """

    name: str
    revision: str | None = None
    with_projector: bool = True
    with_drafter: bool = False
    record: Record | None = None
    entry: CatalogFile | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A repository, and a file in it: by its path, by its quantization, or the best that is there."""

    name: str  # what the store will call it
    repository: str
    entry: CatalogFile | None  # what the catalog knows
    path: str | None
    quantization: str | None
    revision: str | None  # that the name itself asks for
    projector: CompanionFile | None  # according to the catalog or the name's record
    drafter: CompanionFile | None
    exact_name: str  # of this very file, whatever is chosen for `name` the next time


def open_size(library: Library, request: PullRequest) -> Size | None:
    """Return the size whose quantization is still to be chosen; None if the name, a revision, or the store decides it.

    A name that is in the store keeps the quantization that it was pulled with.
    """
    name = parse_name(request.name) if request.record is None and request.revision is None else None
    if not isinstance(name, FamilyName) or not name.is_size_only or library.store.find(name.text) is not None:
        return None
    return name.size


def find_target(library: Library, request: PullRequest) -> Target:
    """Return the place on the Hub that a request means. Raises UsageError, ModelNotFound."""
    if request.record is not None:
        return _recorded(request.record)
    match parse_name(request.name):
        case DemoName():
            raise UsageError("demo is built in: there is nothing to pull", "g4run chat demo")
        case PathName(text=text):
            raise UsageError(f"{text} is a path, not a name on the Hub", f"g4run import {text}")
        case FamilyName() as name:
            return _family(library, name, request.entry)
        case HubName() as name:
            known = library.catalog.find(name)
            projector, drafter = (known.projector, known.drafter) if known else (None, None)
            place = name.repository, known, name.file, name.quantization, name.revision
            return Target(name.text, *place, projector, drafter, name.text)
        case CustomName() as name:
            record = library.store.find(name.text)
            if record is None:
                raise library.unknown_name(request.name)
            return _recorded(record)


def update_request(record: Record) -> PullRequest:
    """Return the request for the newest versions of a name's files."""
    return PullRequest(
        name=record.name,
        revision=record.requested_revision or "main",
        with_projector=record.projector is not None,
        with_drafter=record.drafter is not None,
        record=record,
    )


def place_of(record: Record) -> tuple[str, str]:
    """Return repository and path of a record's model. Raises UsageError if it did not come from the Hub."""
    file = record.model_files[0]
    if file.hub_place is None:
        raise UsageError(f"{record.name} was imported from {file.path}, not pulled", f"g4run show {record.name}")
    return file.hub_place


def _family(library: Library, name: FamilyName, chosen: CatalogFile | None) -> Target:
    """Return the file that the store has under a size's name, else the chosen one, else the catalog's default."""
    record = library.store.find(name.text) if name.is_size_only else None
    default = library.catalog.resolve(name)
    kept = library.catalog.find_file(*place_of(record)) if record else None
    if record is not None and kept is None:
        return _recorded(record)
    entry = kept or chosen or default
    exact_name = name.text if kept or entry == default else entry.name
    place = entry.repository, entry, None, entry.quantization, None
    return Target(name.text, *place, entry.projector, entry.drafter, exact_name)


def _recorded(record: Record) -> Target:
    """Return the files of a record, from whichever repositories they came."""
    repository, path = place_of(record)
    projector, drafter = _companion(record.projector), _companion(record.drafter)
    return Target(record.name, repository, None, path, None, None, projector, drafter, record.name)


def _companion(file: StoredFile | None) -> CompanionFile | None:
    """Return where a projector or drafter came from; None if that was not the Hub."""
    if file is None or file.hub_place is None:
        return None
    repository, path = file.hub_place
    return CompanionFile(
        repository=repository,
        path=path,
        size_bytes=None,
        size_is_exact=False,
        sha256=None,
        path_is_confirmed=True,
    )
