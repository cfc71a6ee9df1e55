"""Measure the disk space of models, and remove what nothing needs."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from g4run.files import CACHE, DATA, TEMPORARY_SUFFIX, free_bytes, remove_file, translate_write_errors
from g4run.models.hub_cache.cache import STRAY_PREFIX, file_size, modified_at, repository_directory
from g4run.models.hub_cache.locks import is_any_locked
from g4run.models.hub_cache.unfinished import UnfinishedDownload, bytes_on_disk, find_unfinished, remove_unfinished
from g4run.models.store.records import Record, StoredFile
from g4run.models.store.removal import arrived_files, release_files
from g4run.models.store.store import Store
from g4run.settings import Settings

HEADERS = "headers"  # below the data directory; headers of remote files
ANOTHER_PROGRAM = "it is another program's: `hf cache prune` removes it"
_STALE_SECONDS = 3600.0  # a file that is still being written is newer


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """The disk space of one name's files, and how much of it no other name uses."""

    name: str
    size_bytes: int
    own_bytes: int
    missing: tuple[Path, ...]  # files that do not exist


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """The disk space of all models; `total_bytes` counts each file once."""

    models: tuple[ModelUsage, ...]
    total_bytes: int
    partial_bytes: int  # our unfinished downloads, and complete files of stopped pulls
    foreign_partial_bytes: int  # huggingface_hub's, which it never resumes
    header_cache_bytes: int
    free_bytes: int | None  # on the cache's file system; None if unknown
    directory: Path  # the Hugging Face cache
    data_directory: Path


@dataclass(frozen=True, slots=True)
class RemovedPartial:
    """An unfinished download that was removed, or was not: `kept` says why."""

    path: Path
    repository: str
    freed_bytes: int
    is_ours: bool = True
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, and which names need attention."""

    partials: tuple[RemovedPartial, ...]
    header_bytes: int
    temporary_bytes: int
    vanished: tuple[str, ...]  # names with a missing file; they stay

    @property
    def freed_bytes(self) -> int:
        """The sum of it all."""
        return self.header_bytes + self.temporary_bytes + sum(partial.freed_bytes for partial in self.partials)


def measure_usage(settings: Settings, store: Store) -> DiskUsage:
    """Measure what is on disk. Raises DamagedRecord if the store's directory cannot be read."""
    records = store.records()
    places = {record.name: _places(record) for record in records}
    users = Counter(place for found in places.values() for place in found)
    unfinished = find_unfinished(settings.hub_cache)
    return DiskUsage(
        models=tuple(_usage_of(record, places[record.name], users) for record in records),
        total_bytes=sum({place: size for found in places.values() for place, size in found.items()}.values()),
        partial_bytes=sum(download.bytes_on_disk for download in unfinished if download.is_ours)
        + sum(file.size_bytes for file in _abandoned(store)),
        foreign_partial_bytes=sum(download.bytes_on_disk for download in unfinished if not download.is_ours),
        header_cache_bytes=_total_bytes(_files_below(settings.data_directory / HEADERS)),
        free_bytes=free_bytes(settings.hub_cache),
        directory=settings.hub_cache,
        data_directory=settings.data_directory,
    )


def prune(settings: Settings, store: Store, *, is_dry_run: bool = False) -> Pruned:
    """Remove unfinished downloads that no process uses, cached headers, and leftovers of killed processes.

    A dry run returns what would be removed. Raises NotWritable, and DamagedRecord if the store's directory cannot be
    read.
    """
    vanished = tuple(record.name for record in store.records() if _missing(record))
    headers = _files_below(settings.data_directory / HEADERS)
    partials = [_prune_unfinished(settings, found, is_dry_run) for found in find_unfinished(settings.hub_cache)]
    partials += [_prune_abandoned(store, file, is_dry_run) for file in _abandoned(store)]
    if is_dry_run:
        temporaries = _temporaries(settings, store)
        return Pruned(tuple(partials), _total_bytes(headers), _total_bytes(temporaries), vanished)
    header_bytes = _remove_all(settings, headers)
    with store.locked() if store.directory.is_dir() else nullcontext():
        _end_pulls(settings, store)
        temporary_bytes = _remove_all(settings, _temporaries(settings, store))
    return Pruned(tuple(partials), header_bytes, temporary_bytes, vanished)


def _prune_unfinished(settings: Settings, found: UnfinishedDownload, is_dry_run: bool) -> RemovedPartial:
    freed_bytes, kept = found.bytes_on_disk, None if found.is_ours else ANOTHER_PROGRAM
    if kept is None and not is_dry_run:
        kept = remove_unfinished(settings.hub_cache, found)
    return RemovedPartial(found.path, found.repository, 0 if kept else freed_bytes, found.is_ours, kept)


def _prune_abandoned(store: Store, file: StoredFile, is_dry_run: bool) -> RemovedPartial:
    freed_bytes, kept = file.size_bytes, None
    if not is_dry_run:
        released = release_files(store, [file])
        freed_bytes, kept = released.freed_bytes, released.kept[0].reason if released.kept else None
    return RemovedPartial(file.path, file.repository or "", freed_bytes, kept=kept)


def _abandoned(store: Store) -> tuple[StoredFile, ...]:
    """Return the complete files of unfinished pulls that no name uses."""
    entries, _ = store.read_entries()
    used = {file.sha256 for entry in entries if entry.record for file in entry.record.files}
    return tuple(file for entry in entries for file in arrived_files(store, entry) if file.sha256 not in used)


def _end_pulls(settings: Settings, store: Store) -> None:
    """Remove the records of pulls that no process is running; what they downloaded is gone."""
    for entry in store.read_entries()[0]:
        directories = {repository_directory(settings.hub_cache, file.repository or "") for file in entry.pulling}
        if entry.pulling and not any(map(is_any_locked, directories)):
            store.save_pulling(entry.name, ())


def _usage_of(record: Record, places: dict[str, int], users: Counter[str]) -> ModelUsage:
    own_bytes = sum(size for place, size in places.items() if users[place] == 1)
    return ModelUsage(record.name, sum(places.values()), own_bytes, _missing(record))


def _missing(record: Record) -> tuple[Path, ...]:
    return tuple(file.path for file in record.files if file_size(file.path) is None)


def _places(record: Record) -> dict[str, int]:
    """Return the real paths and the sizes of a record's files."""
    sizes = {os.path.realpath(file.path): file_size(file.path) for file in record.files}
    return {place: size for place, size in sizes.items() if size is not None}


def _files_below(directory: Path) -> list[Path]:
    return [Path(folder) / name for folder, _, names in os.walk(directory) for name in names]


def _temporaries(settings: Settings, store: Store) -> list[Path]:
    """Return the temporary files that killed processes left in the data directory and the cache."""
    pattern, oldest = f".*{TEMPORARY_SUFFIX}", time.time() - _STALE_SECONDS
    data = settings.data_directory
    ours = (path for path in (*data.glob(pattern), *data.glob(f"*/{pattern}")) if path.parent != store.directory)
    stale = (*ours, *settings.hub_cache.glob(f"models--*/{STRAY_PREFIX}*"))
    return [*(path for path in stale if modified_at(path) < oldest), *store.directory.glob(pattern)]


def _total_bytes(paths: Iterable[Path]) -> int:
    return sum(bytes_on_disk(path) for path in paths)


def _remove_all(settings: Settings, paths: list[Path]) -> int:
    freed = _total_bytes(paths)
    for path in paths:
        with translate_write_errors(path, CACHE if path.is_relative_to(settings.hub_cache) else DATA):
            remove_file(path)
    return freed
