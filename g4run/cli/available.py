"""What can be had: from the catalog, or of one repository as the Hub lists it now."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from g4run.cli.fits import find_fit
from g4run.cli.views.models import AvailableModel
from g4run.errors import UsageError

if TYPE_CHECKING:
    from g4run.models.catalog.catalog import CatalogFile
    from g4run.models.library import Library
    from g4run.models.names.parse import Size
    from g4run.models.remote_files import RemoteFile, RemoteRepository


def find_available(library: "Library", typed: str | None) -> tuple[AvailableModel, ...]:
    """The models of all sizes, of one size, or of one repository. Raises UsageError, NetworkError."""
    from g4run.models.names.parse import FamilyName, HubName, Size, parse_name

    if typed is None:
        return _of_catalog(library, None)
    if typed.lower() in tuple(Size):
        return _of_catalog(library, Size(typed.lower()))
    match parse_name(typed):
        case FamilyName(size=size):
            return _of_catalog(library, size)
        case HubName(repository=repository, revision=revision):
            return _of_repository(library, repository, revision)
    sizes = ", ".join(Size)
    raise UsageError(f"{typed} is neither a size nor a repository", f"one of {sizes}, or hf.co/USER/REPO")


def _of_catalog(library: "Library", size: "Size | None") -> tuple[AvailableModel, ...]:
    here = _places_here(library)
    labels = {facts.size: facts.label for facts in library.catalog.sizes}
    short = _short_names(library)
    return tuple(
        _of_file(file, labels[file.size], here, short.get(file.name, ())) for file in library.catalog.available(size)
    )


def _short_names(library: "Library") -> dict[str, tuple[str, ...]]:
    """The names without a quantization, by the name of the file that each size's means."""
    from g4run.models.names.parse import DEFAULT_SIZE, FAMILY, FamilyName

    return {
        facts.default.name: (*((FAMILY,) if facts.size is DEFAULT_SIZE else ()), FamilyName(facts.size).text)
        for facts in library.catalog.sizes
    }


def _of_file(
    file: "CatalogFile", size_label: str, here: frozenset[tuple[str, str]], short_names: tuple[str, ...]
) -> AvailableModel:
    projector_bytes = (file.projector.size_bytes or 0) if file.projector else 0
    return AvailableModel(
        name=file.name,
        repository=file.repository,
        paths=file.paths,
        quantization=file.quantization,
        size_bytes=file.size_bytes,
        size_is_exact=file.size_is_exact,
        bits_per_weight=file.bits_per_weight,
        quality=file.quality,
        fit=find_fit(file.size_bytes + projector_bytes, size_label).value,
        is_confirmed=file.path_is_confirmed,
        is_installed=(file.repository.lower(), file.path.lower()) in here,
        short_names=short_names,
    )


def _of_repository(library: "Library", repository: str, revision: str | None) -> tuple[AvailableModel, ...]:
    """Every model of a repository, as the Hub lists it now. Raises NetworkError, ModelNotFound."""
    from g4run.models.hub.client import Hub
    from g4run.models.quantizations import FileRole, group_shards, role_of

    listing = Hub(library.settings).list_repository(repository, revision)
    files = {file.path: file for file in listing.files}
    here = _places_here(library)
    models = group_shards(path for path in files if role_of(path) is FileRole.MODEL)
    return tuple(_of_remote(library, listing, [files[path] for path in paths], models, here) for paths in models)


def _of_remote(
    library: "Library",
    listing: "RemoteRepository",
    files: Sequence["RemoteFile"],
    models: Sequence[Sequence[str]],
    here: frozenset[tuple[str, str]],
) -> AvailableModel:
    from g4run.models.quantizations import quantization_of

    path = files[0].path
    tag = quantization_of(path)
    is_only_one = sum(quantization_of(paths[0]) == tag for paths in models) == 1
    sizes = [file.size_bytes for file in files if file.size_bytes is not None]
    size_bytes = sum(sizes) if len(sizes) == len(files) else None
    known = library.catalog.find_file(listing.id, path)
    return AvailableModel(
        name=f"hf.co/{listing.id}:{tag}" if tag and is_only_one else f"hf.co/{listing.id}/{path}",
        repository=listing.id,
        paths=tuple(file.path for file in files),
        quantization=tag,
        size_bytes=size_bytes,
        size_is_exact=True,
        bits_per_weight=size_bytes * 8 / known.parameters if known and size_bytes is not None else None,
        quality=known.quality if known else None,
        fit=None if size_bytes is None else find_fit(size_bytes, _size_label(library, known)).value,
        is_confirmed=True,
        is_installed=(listing.id.lower(), path.lower()) in here,
    )


def _size_label(library: "Library", known: "CatalogFile | None") -> str:
    """Which member of the family a file is, where the catalog knows; else empty."""
    if known is None:
        return ""
    return library.catalog.facts(known.size).label


def _places_here(library: "Library") -> frozenset[tuple[str, str]]:
    """Repository and path of every model file that the store has, in lower case."""
    return frozenset(
        (file.repository.lower(), file.repository_path.lower())
        for record in library.store.records()
        for file in record.model_files
        if file.repository is not None and file.repository_path is not None
    )
