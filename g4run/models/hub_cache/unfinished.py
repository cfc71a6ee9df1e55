"""Unfinished downloads in the Hugging Face cache, g4run's and huggingface_hub's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from g4run.files import CACHE, remove_file, translate_write_errors
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
_DISK_BLOCK_BYTES = 512  # the unit of st_blocks on every file system


@dataclass(frozen=True, slots=True)
class UnfinishedDownload:
    """The files of a download that is not complete, or is running; one may be the journal."""

    repository: str
    etag: str
    path: Path
    files: tuple[Path, ...]
    is_ours: bool  # otherwise huggingface_hub's, which never resumes it

    @property
    def bytes_on_disk(self) -> int:
        """The disk space of its files."""
        return sum(bytes_on_disk(file) for file in self.files)


def find_unfinished(hub_cache: Path) -> tuple[UnfinishedDownload, ...]:
    """Return all unfinished downloads, ours and huggingface_hub's."""
    return tuple(found for directory in model_directories(hub_cache) for found in _find_in(directory))


def remove_unfinished(hub_cache: Path, download: UnfinishedDownload) -> str | None:
    """Remove an unfinished download, or return why it stays: another process uses it. Raises NotWritable."""
    directory = repository_directory(hub_cache, download.repository)
    with translate_write_errors(download.path, CACHE):
        with blob_lock(directory, download.etag) as is_held:
            if not is_held:
                return BEING_FETCHED
            for path in download.files:
                remove_file(path)
        tidy_repository(directory)
    return None


def bytes_on_disk(path: Path) -> int:
    """Return the disk space of a file, without its holes; 0 if it does not exist."""
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
