"""A repository as the cache has it, for a pull in offline mode: what is here already can still be given a name."""

from pathlib import Path

from g4run.errors import Offline
from g4run.models.download.remote_files import RemoteFile, RemoteRepository
from g4run.models.hub_cache.cache import (
    blob_of,
    commits_of,
    digest_named,
    file_size,
    repository_directory,
    repository_of,
    snapshot_files,
)


def list_cached_repository(hub_cache: Path, repository: str, revision: str | None) -> RemoteRepository:
    """The files of a revision that the cache has, without one of `main` or the newest. Raises Offline for none."""
    directory = repository_directory(hub_cache, repository)
    for commit in commits_of(directory, revision):
        snapshot = directory / "snapshots" / commit
        files = tuple(_file(snapshot, path) for found, path in snapshot_files(directory) if found == commit)
        if files:
            return RemoteRepository(repository_of(directory), commit, files)  # spelled as the cache has it
    raise Offline(f"offline mode is on, and nothing of {repository} is in the cache", "unset HF_HUB_OFFLINE")


def _file(snapshot: Path, path: Path) -> RemoteFile:
    """A file with the digest that its blob is named after, where it is one."""
    sha256 = digest_named(blob_of(path)) if path.is_symlink() else None
    return RemoteFile(path.relative_to(snapshot).as_posix(), file_size(path), sha256)
