"""What models take up on disk, each file counted once, and clearing away what nobody will miss."""

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from g4run.files import TEMPORARY_SUFFIX, explain_removal, remove_file
from g4run.models.hub_cache.cache import bytes_on_disk, file_size, modified_time, partials
from g4run.models.hub_cache.layout import STRAY_PATTERN
from g4run.models.store.abandoned import abandoned_files
from g4run.models.store.copies import free_bytes
from g4run.models.store.partial_downloads import RemovedPartial, remove_partial
from g4run.models.store.records import Record
from g4run.models.store.store import Store
from g4run.settings import Settings

HEADERS = "headers"  # below the data directory: headers of remote files
PARTIAL_DAYS = 7  # an unfinished download that nobody touched for so long is forgotten
_DAY_SECONDS = 86400.0
_STALE_SECONDS = 3600.0  # whoever is still writing does so far more often


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What one name's files take up, and how much of it no other name uses."""

    name: str
    size_bytes: int
    own_bytes: int
    missing: tuple[Path, ...]  # files that are gone


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """What all models take up; `total_bytes` counts each file once."""

    models: tuple[ModelUsage, ...]
    total_bytes: int
    partial_bytes: int  # our unfinished downloads, and whole files of a pull that was stopped before its end
    foreign_partial_bytes: int  # huggingface_hub's, which it never goes on from
    header_cache_bytes: int
    free_bytes: int | None  # on the cache's file system; None where it cannot be asked
    directory: Path  # the Hugging Face cache
    data_directory: Path


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was cleared away, and what is for the person to decide."""

    partials: tuple[RemovedPartial, ...]
    header_bytes: int
    temporary_bytes: int
    vanished: tuple[str, ...]  # names of which a file is gone; they stay

    @property
    def freed_bytes(self) -> int:
        """All together."""
        return self.header_bytes + self.temporary_bytes + sum(partial.freed_bytes for partial in self.partials)


def measure_usage(settings: Settings, store: Store) -> DiskUsage:
    """Count what is on disk now. Raises DamagedRecord where the store's directory cannot be read."""
    records = store.records()
    places = {record.name: _places(record) for record in records}
    users = Counter(place for found in places.values() for place in found)
    unfinished = partials(settings.hub_cache)
    return DiskUsage(
        models=tuple(_usage_of(record, places[record.name], users) for record in records),
        total_bytes=sum({place: size for found in places.values() for place, size in found.items()}.values()),
        partial_bytes=sum(partial.bytes_on_disk for partial in unfinished if partial.is_ours)
        + sum(file.size_bytes for file in abandoned_files(store)),
        foreign_partial_bytes=sum(partial.bytes_on_disk for partial in unfinished if not partial.is_ours),
        header_cache_bytes=sum(bytes_on_disk(path) for path in _files_below(settings.data_directory / HEADERS)),
        free_bytes=free_bytes(settings.hub_cache),
        directory=settings.hub_cache,
        data_directory=settings.data_directory,
    )


def prune(settings: Settings, store: Store, *, partial_days: float = PARTIAL_DAYS, is_dry_run: bool = False) -> Pruned:
    """Remove old unfinished downloads of ours, cached headers, and what killed processes left.

    A dry run returns what would be removed, and removes nothing. Raises NotWritable, and DamagedRecord where the
    store's directory cannot be read.
    """
    oldest = time.time() - partial_days * _DAY_SECONDS
    old = [partial for partial in partials(settings.hub_cache) if partial.is_ours and partial.modified < oldest]
    vanished = tuple(record.name for record in store.records() if _missing(record))
    headers, temporaries = _files_below(settings.data_directory / HEADERS), _temporaries(settings, store)
    if is_dry_run:
        would = tuple(
            RemovedPartial(each.path, each.repository, each.etag, each.bytes_on_disk, each.is_ours) for each in old
        )
        return Pruned(would, _total_bytes(headers), _total_bytes(temporaries), vanished)
    removed = tuple(remove_partial(settings.hub_cache, partial) for partial in old)
    header_bytes = _remove_all(settings, headers)
    if not store.directory.is_dir():
        return Pruned(removed, header_bytes, _remove_all(settings, temporaries), vanished)
    with store.locked():
        return Pruned(removed, header_bytes, _remove_all(settings, _temporaries(settings, store)), vanished)


def _usage_of(record: Record, places: dict[str, int], users: Counter[str]) -> ModelUsage:
    own_bytes = sum(size for place, size in places.items() if users[place] == 1)
    return ModelUsage(record.name, sum(places.values()), own_bytes, _missing(record))


def _missing(record: Record) -> tuple[Path, ...]:
    return tuple(file.path for file in record.files if file_size(file.path) is None)


def _places(record: Record) -> dict[str, int]:
    """Where the bytes of a record's files really lie, and how many."""
    sizes = {os.path.realpath(file.path): file_size(file.path) for file in record.files}
    return {place: size for place, size in sizes.items() if size is not None}


def _files_below(directory: Path) -> list[Path]:
    return [Path(folder) / name for folder, _, names in os.walk(directory) for name in names]


def _temporaries(settings: Settings, store: Store) -> list[Path]:
    """What killed writers left behind: copies, records, marks, and pointers of the cache that were not renamed."""
    pattern, now = f".*{TEMPORARY_SUFFIX}", time.time()
    data = settings.data_directory
    ours = (path for path in (*data.glob(pattern), *data.glob(f"*/{pattern}")) if path.parent != store.directory)
    layouts = settings.hub_cache.glob(f"models--*/{STRAY_PATTERN}")
    stale = [path for path in (*ours, *layouts) if modified_time(path) < now - _STALE_SECONDS]
    return [*stale, *store.directory.glob(pattern)]


def _total_bytes(paths: list[Path]) -> int:
    return sum(bytes_on_disk(path) for path in paths)


def _remove_all(settings: Settings, paths: list[Path]) -> int:
    freed = _total_bytes(paths)
    for path in paths:
        try:
            remove_file(path)
        except OSError as error:
            raise explain_removal(error, path, settings.hub_cache) from error
    return freed
