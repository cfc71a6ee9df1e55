"""Read the Hugging Face cache on disk.

    models--USER--REPOSITORY/
      blobs/<etag>                   a file's bytes; the etag of a large file is its sha256
      blobs/<etag>.g4run.incomplete  our unfinished download, beside <etag>.g4run.journal
      refs/<branch or tag>           a text: the commit
      snapshots/<commit>/<path>      a link to the blob; the file itself where there are no links (Windows)
    .locks/models--USER--REPOSITORY/<etag>.lock

Layout: huggingface_hub 2.4, file_download.py and utils/_cache_manager.py. What cannot be read is passed over.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from g4run.errors import Offline
from g4run.models.digest import is_sha256
from g4run.models.remote_files import RemoteFile, RemoteRepository

MODELS_PREFIX = "models--"
PARTIAL_SUFFIX = ".g4run.incomplete"
STRAY_PREFIX = ".g4run-"  # temporary files of a killed process
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)


class SnapshotPlace(msgspec.Struct, frozen=True):
    """The place of a snapshot's file in the cache."""

    directory: Path  # of the repository
    commit: str
    repository_path: str

    @property
    def repository(self) -> str:
        """USER/REPOSITORY."""
        return repository_of(self.directory)


class CachedFile(msgspec.Struct, frozen=True):
    """A GGUF file in a snapshot, the newest one if several have the same bytes."""

    path: Path
    repository: str
    commit: str
    repository_path: str
    size_bytes: int
    sha256: str | None


def repository_directory(hub_cache: Path, repository: str) -> Path:
    """Return the directory of a repository, which may not exist; an existing one may differ in case."""
    name = MODELS_PREFIX + repository.replace("/", "--")
    directory = hub_cache / name
    if not directory.is_dir():
        for other in entries_of(hub_cache):
            if other.name.lower() == name.lower():
                return other
    return directory


def repository_of(directory: Path) -> str:
    """Return USER/REPOSITORY of a repository's directory."""
    return directory.name.removeprefix(MODELS_PREFIX).replace("--", "/")


def model_directories(hub_cache: Path) -> tuple[Path, ...]:
    """Return the directories of all model repositories, sorted by name."""
    return tuple(entry for entry in entries_of(hub_cache) if entry.name.startswith(MODELS_PREFIX) and entry.is_dir())


def locate_in_snapshot(hub_cache: Path, path: Path) -> SnapshotPlace | None:
    """Return the place of a path in a snapshot; None if it is not in one."""
    for cache, file in ((hub_cache, path), (_absolute(hub_cache), _absolute(path)), (hub_cache.resolve(), path)):
        if file.is_relative_to(cache):
            parts = file.relative_to(cache).parts
            if len(parts) >= 4 and parts[0].startswith(MODELS_PREFIX) and parts[1] == "snapshots" and ".." not in parts:
                return SnapshotPlace(cache / parts[0], parts[2], "/".join(parts[3:]))
    return None


def blob_of(pointer: Path) -> Path:
    """Return what a snapshot's file links to, one link deep: a blob may itself link to a shared file."""
    if not pointer.is_symlink():
        return pointer
    return _absolute(pointer.parent / pointer.readlink())


def digest_named(blob: Path) -> str | None:
    """Return the sha256 in a blob's name; None for a small file, which is named by its Git digest."""
    return blob.name if is_sha256(blob.name) else None


def is_commit(text: str) -> bool:
    """Whether a revision is a full commit, not a branch or tag."""
    return _COMMIT.fullmatch(text) is not None


def cached_gguf_files(hub_cache: Path) -> tuple[CachedFile, ...]:
    """Return all GGUF files in all snapshots, each once."""
    return tuple(file for directory in model_directories(hub_cache) for file in _gguf_files(directory))


def list_cached_repository(hub_cache: Path, repository: str, revision: str | None) -> RemoteRepository:
    """List a revision as far as it is cached; without one, `main` or the newest. Raises Offline if nothing is."""
    directory = repository_directory(hub_cache, repository)
    for commit in commits_of(directory, revision):
        paths = [path for found, path in snapshot_files(directory) if found == commit]
        if paths:
            files = tuple(_as_listed(path, directory / "snapshots" / commit) for path in paths)
            return RemoteRepository(repository_of(directory), commit, files)  # in the cache's spelling
    raise Offline(f"offline mode is on, and {repository} is not in the cache", "unset HF_HUB_OFFLINE")


def snapshot_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file of every snapshot of a repository, after its commit."""
    for snapshot in entries_of(directory / "snapshots"):
        for folder, _, names in os.walk(snapshot):
            for name in sorted(names):
                yield snapshot.name, Path(folder) / name


def file_size(path: Path) -> int | None:
    """Return the size of a regular file; None if there is no readable one."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def modified_at(path: Path) -> float:
    """Return when a file, or a link itself, was last changed; 0 if it does not exist."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def is_same_file(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same file or directory, which exists."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def commits_of(directory: Path, revision: str | None) -> Iterator[str]:
    """Yield the commits that a revision may mean, the most likely first."""
    if revision is not None and is_commit(revision):
        yield revision
        return
    named = _read_ref(directory, revision or "main")
    if named is not None:
        yield named
    if revision is None:
        newest_first = sorted(entries_of(directory / "snapshots"), key=modified_at, reverse=True)
        yield from (snapshot.name for snapshot in newest_first)


def _read_ref(directory: Path, revision: str) -> str | None:
    parts = PurePosixPath(revision).parts
    if not parts or ".." in parts or parts[0] == "/":
        return None
    try:
        commit = (directory / "refs" / Path(*parts)).read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if commit and "/" not in commit and "\\" not in commit and commit != ".." else None


def _as_listed(path: Path, snapshot: Path) -> RemoteFile:
    sha256 = digest_named(blob_of(path)) if path.is_symlink() else None
    return RemoteFile(path.relative_to(snapshot).as_posix(), file_size(path), sha256)


def _gguf_files(directory: Path) -> Iterator[CachedFile]:
    order = list(dict.fromkeys(commits_of(directory, None)))
    files = [(order.index(commit), commit, path) for commit, path in snapshot_files(directory) if commit in order]
    seen = set[tuple[str, Path]]()
    for _, commit, path in sorted(files):
        size_bytes = file_size(path) if path.suffix.lower() == ".gguf" else None
        if size_bytes is None:
            continue
        within = path.relative_to(directory / "snapshots" / commit).as_posix()
        blob = blob_of(path)
        if (within, blob) not in seen:
            seen.add((within, blob))
            yield CachedFile(path, repository_of(directory), commit, within, size_bytes, digest_named(blob))


def entries_of(directory: Path) -> list[Path]:
    """Return the sorted entries of a directory; none if it cannot be read."""
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links
