"""Unfinished downloads: which there are for a name, and removing them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from g4run.errors import UsageError
from g4run.files import remove_file
from g4run.models.catalog.catalog import CatalogFile, CompanionFile, read_catalog
from g4run.models.hub_cache.cache import CachedFile, UnfinishedDownload, partials, repository_directory
from g4run.models.hub_cache.layout import explained
from g4run.models.hub_cache.locks import blob_lock
from g4run.models.hub_cache.removal import BEING_FETCHED, tidy_repository
from g4run.models.names.parse import CustomName, FamilyName, HubName, parse_name
from g4run.models.store.abandoned import abandoned_files, release_abandoned
from g4run.models.store.store import Store

ANOTHER_PROGRAM = "it is another program's; name it to remove it as well"


@dataclass(frozen=True, slots=True)
class RemovedPartial:
    """An unfinished download that was removed; or was not, and `kept` says why."""

    path: Path
    repository: str
    etag: str
    freed_bytes: int
    is_ours: bool
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A repository, and the digest of a file in it, or None for all."""

    repository: str
    sha256: str | None

    def means(self, repository: str, sha256: str | None) -> bool:
        return repository.lower() == self.repository.lower() and self.sha256 in (None, sha256)


def remove_partials(
    store: Store, names: Sequence[str] | None = None, *, also_foreign: bool = False
) -> tuple[RemovedPartial, ...]:
    """Remove the unfinished downloads of these names, or all, and whole files of a pull that was stopped.

    One that a living process is fetching stays, and so do huggingface_hub's own unless `also_foreign` asks for them;
    both are reported. Raises UsageError and ModelNotFound before anything is removed, NotWritable.
    """
    hub_cache = store.settings.hub_cache
    found, whole = partials(hub_cache), abandoned_files(store)
    if names is not None:
        wanted = tuple(place for name in names for place in _places(store, name))
        found = tuple(file for file in found if any(place.means(file.repository, file.etag) for place in wanted))
        whole = tuple(file for file in whole if any(place.means(file.repository, file.sha256) for place in wanted))
    return (
        *(_remove(hub_cache, partial, also_foreign) for partial in found),
        *(_remove_whole(store, file) for file in whole),
    )


def remove_partial(hub_cache: Path, partial: UnfinishedDownload) -> RemovedPartial:
    """Remove one unfinished download, unless a living process is at it. Raises NotWritable."""
    directory = repository_directory(hub_cache, partial.repository)
    with explained(partial.path):
        with blob_lock(directory, partial.etag) as is_held:
            if not is_held:
                return _result(partial, 0, BEING_FETCHED)
            for path in (*partial.others, partial.path):
                remove_file(path)
        tidy_repository(directory)
    return _result(partial, partial.bytes_on_disk, None)


def _remove(hub_cache: Path, partial: UnfinishedDownload, also_foreign: bool) -> RemovedPartial:
    if not partial.is_ours and not also_foreign:
        return _result(partial, 0, ANOTHER_PROGRAM)
    return remove_partial(hub_cache, partial)


def _remove_whole(store: Store, file: CachedFile) -> RemovedPartial:
    released = release_abandoned(store, file)
    kept = released.kept[0].reason if released.kept else None
    return RemovedPartial(file.path, file.repository, file.sha256 or "", released.freed_bytes, True, kept)


def _result(partial: UnfinishedDownload, freed_bytes: int, kept: str | None) -> RemovedPartial:
    return RemovedPartial(partial.path, partial.repository, partial.etag, freed_bytes, partial.is_ours, kept)


def _places(store: Store, name: str) -> Iterator[_Wanted]:
    """The repositories, and where the catalog knows them the files, that a name is fetched from."""
    match parse_name(name):
        case FamilyName() as parsed:
            yield from _catalog_places(read_catalog(store.settings.data_directory).resolve(parsed))
        case HubName() as parsed:
            yield _Wanted(parsed.repository, None)
        case CustomName() as parsed:
            for file in store.get(parsed.text).files:
                if file.repository is not None:
                    yield _Wanted(file.repository, file.sha256)
        case _:
            raise UsageError(f"{name} is not fetched from the Hub", "g4run rm --partial")


def _catalog_places(entry: CatalogFile) -> Iterator[_Wanted]:
    yield _Wanted(entry.repository, entry.sha256 if len(entry.paths) == 1 else None)
    companions: tuple[CompanionFile | None, ...] = (entry.projector, entry.drafter)
    for companion in companions:
        if companion is not None and companion.sha256 is not None:
            yield _Wanted(companion.repository, companion.sha256)
