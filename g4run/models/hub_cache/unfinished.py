"""Unfinished downloads in the Hugging Face cache: g4run's own, and those that huggingface_hub left."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from g4run.files import CACHE, explained, remove_file
from g4run.models.hub_cache.cache import (
    PARTIAL_SUFFIX,
    entries_of,
    model_directories,
    repository_directory,
    repository_of,
)
from g4run.models.hub_cache.locks import blob_lock
from g4run.models.hub_cache.removal import BEING_FETCHED, tidy_repository

_OUR_FILE = re.compile(r"(?P<etag>.+)\.g4run\.(?:incomplete|journal|journal\.new)", re.ASCII)
_THEIR_FILE = re.compile(r"(?P<etag>.+?)(?:\.[0-9a-f]{8})?\.incomplete", re.ASCII)
_DISK_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own is


@dataclass(frozen=True, slots=True)
class UnfinishedDownload:
    """The files of a download that has not finished, or is running; the journal may be one of them."""

    repository: str
    etag: str
    path: Path
    files: tuple[Path, ...]
    is_ours: bool  # else huggingface_hub's, which never resumes it

    @property
    def bytes_on_disk(self) -> int:
        """What its files take up."""
        return sum(bytes_on_disk(file) for file in self.files)


def find_unfinished(hub_cache: Path) -> tuple[UnfinishedDownload, ...]:
    """All unfinished downloads, ours and huggingface_hub's."""
    return tuple(found for directory in model_directories(hub_cache) for found in _find_in(directory))


def remove_unfinished(hub_cache: Path, download: UnfinishedDownload) -> str | None:
    """Remove an unfinished download, or say why it stays: a living process is at it. Raises NotWritable."""
    directory = repository_directory(hub_cache, download.repository)
    with explained(download.path, CACHE):
        with blob_lock(directory, download.etag) as is_held:
            if not is_held:
                return BEING_FETCHED
            for path in download.files:
                remove_file(path)
        tidy_repository(directory)
    return None


def bytes_on_disk(path: Path) -> int:
    """What a file takes up, holes excluded; 0 where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return 0
    blocks: int | None = getattr(status, "st_blocks", None)  # not on Windows
    return status.st_size if blocks is None else blocks * _DISK_BLOCK_BYTES


def _find_in(directory: Path) -> Iterator[UnfinishedDownload]:
    repository, ours = repository_of(directory), dict[str, list[Path]]()
    for path in entries_of(directory / "blobs"):
        if our := _OUR_FILE.fullmatch(path.name):
            ours.setdefault(our["etag"], []).append(path)
        elif their := _THEIR_FILE.fullmatch(path.name):
            yield UnfinishedDownload(repository, their["etag"], path, (path,), is_ours=False)
    for etag, files in ours.items():
        path = directory / "blobs" / f"{etag}{PARTIAL_SUFFIX}"
        yield UnfinishedDownload(repository, etag, path, tuple(files), is_ours=True)
