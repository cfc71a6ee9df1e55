"""What a name that is to be pulled means: a repository of the Hub, and which of its files."""

from dataclasses import dataclass

from g4run.errors import UsageError
from g4run.models.catalog.catalog import CatalogFile
from g4run.models.library import Library
from g4run.models.names.parse import DemoName, FamilyName, HubName, OwnName, PathName, parse_name
from g4run.models.store.store import Record


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What a person asked for; `place`, a repository and a path in it, takes the place of what the name means."""

    name: str
    revision: str | None = None
    with_projector: bool = True
    with_drafter: bool = False
    place: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A repository, and a file in it: by its path, by its quantization, or the best that is there."""

    name: str  # what the store will call it
    repository: str
    entry: CatalogFile | None  # what the catalog knows
    path: str | None
    quantization: str | None
    revision: str | None  # that the name itself asks for


def find_target(library: Library, request: PullRequest) -> Target:
    """The place on the Hub that a request means. Raises UsageError, ModelNotFound."""
    if request.place is not None:
        repository, path = request.place
        return Target(request.name, repository, None, path, None, None)
    match parse_name(request.name):
        case DemoName():
            raise UsageError("demo is built in: there is nothing to pull", "g4run chat demo")
        case PathName(text=text):
            raise UsageError(f"{text} is a path, not a name on the Hub", f"g4run import {text}")
        case FamilyName() as name:
            entry = library.catalog.resolve(name)
            return Target(name.text, entry.repository, entry, None, entry.quantization, None)
        case HubName() as name:
            entry_or_none = _known_entry(library, name)
            return Target(name.text, name.repository, entry_or_none, name.file, name.quantization, name.revision)
        case OwnName() as name:
            record = library.store.find(name.text)
            if record is None:
                raise library.unknown_name(request.name)
            repository, path = place_of(record)
            return Target(record.name, repository, None, path, None, None)


def update_request(record: Record) -> PullRequest:
    """The request that fetches the newest of the very files that a name has."""
    return PullRequest(
        name=record.name,
        revision=record.requested_revision or "main",
        with_projector=record.projector is not None,
        with_drafter=record.drafter is not None,
        place=place_of(record),
    )


def place_of(record: Record) -> tuple[str, str]:
    """Repository and path of a record's model. Raises UsageError for one that did not come from the Hub."""
    file = record.model_files[0]
    if file.repository is None or file.repository_path is None:
        raise UsageError(f"{record.name} was imported from {file.path}, not pulled", f"g4run show {record.name}")
    return file.repository, file.repository_path


def _known_entry(library: Library, name: HubName) -> CatalogFile | None:
    if name.file is not None:
        return library.catalog.find_file(name.repository, name.file)
    if name.quantization is not None:
        return library.catalog.find_quantization(name.repository, name.quantization)
    return library.catalog.find_default(name.repository)
