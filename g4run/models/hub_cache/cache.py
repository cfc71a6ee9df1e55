"""The Hugging Face cache on disk: what lies in it, and where.

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
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from g4run.errors import Offline
from g4run.models.remote_files import RemoteFile, RemoteRepository

MODELS_PREFIX = "models--"
PARTIAL_SUFFIX = ".g4run.incomplete"
STRAY_PREFIX = ".g4run-"  # pointers and refs that a killed process was about to rename into place
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SnapshotPlace:
    """Where in the cache a snapshot's file stands."""

    directory: Path  # of the repository in the cache
    commit: str
    repository_path: str

    @property
    def repository(self) -> str:
        """USER/REPOSITORY."""
        return repository_of(self.directory)


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A GGUF file in a snapshot; the newest snapshot counts where several have the same bytes."""

    path: Path
    repository: str
    commit: str
    repository_path: str
    size_bytes: int
    sha256: str | None


def repository_directory(hub_cache: Path, repository: str) -> Path:
    """The directory of a repository, which need not exist; one in another spelling of upper and lower case counts."""
    name = MODELS_PREFIX + repository.replace("/", "--")
    directory = hub_cache / name
    if not directory.is_dir():
        for other in entries_of(hub_cache):
            if other.name.lower() == name.lower():
                return other
    return directory


def repository_of(directory: Path) -> str:
    """USER/REPOSITORY of a repository's directory."""
    return directory.name.removeprefix(MODELS_PREFIX).replace("--", "/")


def model_directories(hub_cache: Path) -> tuple[Path, ...]:
    """The directories of all repositories of models, by name."""
    return tuple(entry for entry in entries_of(hub_cache) if entry.name.startswith(MODELS_PREFIX) and entry.is_dir())


def find_snapshot_file(hub_cache: Path, repository: str, revision: str | None, path: str) -> Path | None:
    """A file of a repository, offline: of a revision; without one, of `main`, else of the newest snapshot with it."""
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or parts[0] == "/":
        return None
    directory = repository_directory(hub_cache, repository)
    for commit in commits_of(directory, revision):
        pointer = directory / "snapshots" / commit / Path(*parts)
        if file_size(pointer) is not None:
            return pointer
    return None


def find_blob(hub_cache: Path, sha256: str, size_bytes: int) -> Path | None:
    """The bytes of that digest, by name, in any repository; not hashed."""
    for directory in entries_of(hub_cache):
        blob = directory / "blobs" / sha256
        if file_size(blob) == size_bytes:
            return blob
    return None


def locate_in_snapshot(hub_cache: Path, path: Path) -> SnapshotPlace | None:
    """Where in a snapshot of the cache a path stands, or None where it does not."""
    for cache, file in ((hub_cache, path), (_absolute(hub_cache), _absolute(path)), (hub_cache.resolve(), path)):
        if file.is_relative_to(cache):
            parts = file.relative_to(cache).parts
            if len(parts) >= 4 and parts[0].startswith(MODELS_PREFIX) and parts[1] == "snapshots" and ".." not in parts:
                return SnapshotPlace(cache / parts[0], parts[2], "/".join(parts[3:]))
    return None


def blob_of(pointer: Path) -> Path:
    """What a snapshot's file links to, one link deep: a blob may itself link to bytes that repositories share."""
    if not pointer.is_symlink():
        return pointer
    return _absolute(pointer.parent / pointer.readlink())


def digest_named(blob: Path) -> str | None:
    """The sha256 that a blob is named after; None for a small file's, which Git's digest names."""
    return blob.name if _SHA256.fullmatch(blob.name) else None


def is_commit(text: str) -> bool:
    """Whether it is a commit's full name, rather than a branch's or tag's."""
    return _COMMIT.fullmatch(text) is not None


def cached_gguf_files(hub_cache: Path) -> tuple[CachedFile, ...]:
    """All GGUF files in all snapshots of models, each once."""
    return tuple(file for directory in model_directories(hub_cache) for file in _gguf_files(directory))


def list_cached_repository(hub_cache: Path, repository: str, revision: str | None) -> RemoteRepository:
    """The files of a revision that the cache has, without one of `main` or the newest. Raises Offline for none."""
    directory = repository_directory(hub_cache, repository)
    for commit in commits_of(directory, revision):
        paths = [path for found, path in snapshot_files(directory) if found == commit]
        if paths:
            files = tuple(_as_listed(path, directory / "snapshots" / commit) for path in paths)
            return RemoteRepository(repository_of(directory), commit, files)  # spelled as the cache has it
    raise Offline(f"offline mode is on, and nothing of {repository} is in the cache", "unset HF_HUB_OFFLINE")


def snapshot_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Every file of every snapshot of a repository, with its commit."""
    for snapshot in entries_of(directory / "snapshots"):
        for folder, _, names in os.walk(snapshot):
            for name in sorted(names):
                yield snapshot.name, Path(folder) / name


def file_size(path: Path) -> int | None:
    """The length of a regular file, or None where there is none that can be seen."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def commits_of(directory: Path, revision: str | None) -> Iterator[str]:
    """The commits that a revision may mean, the likeliest first."""
    if revision is not None and is_commit(revision):
        yield revision
        return
    named = _read_ref(directory, revision or "main")
    if named is not None:
        yield named
    if revision is None:
        yield from (snapshot.name for snapshot in _newest_first(directory / "snapshots"))


def _read_ref(directory: Path, revision: str) -> str | None:
    parts = PurePosixPath(revision).parts
    if not parts or ".." in parts or parts[0] == "/":
        return None
    try:
        commit = (directory / "refs" / Path(*parts)).read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if commit and "/" not in commit and "\\" not in commit and commit != ".." else None


def _newest_first(snapshots: Path) -> list[Path]:
    found = []
    for entry in entries_of(snapshots):
        try:
            found.append((entry.stat().st_mtime, entry.name, entry))
        except OSError:
            continue
    return [entry for _, _, entry in sorted(found, reverse=True)]


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
    """What lies in a directory, by name; nothing where it cannot be read."""
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links
