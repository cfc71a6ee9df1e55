"""Write into the Hugging Face cache as huggingface_hub does: blobs, snapshots that point at them, and refs.

Everything is renamed into place, and in the order in which huggingface_hub reads it: a snapshot's directory before the
ref to it, a blob before the pointer. A process that is killed leaves a cache that every tool still reads.
"""

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from g4run.errors import NetworkError
from g4run.files import CACHE, translate_write_errors
from g4run.models.hub_cache.cache import MODELS_PREFIX, PARTIAL_SUFFIX, STRAY_PREFIX, is_commit, is_same_file
from g4run.models.hub_cache.locks import blob_lock

_CACHE_TAG = "CACHEDIR.TAG"
# The standard's signature (https://bford.info/cachedir/), by which backup programs know a cache.
_CACHE_TAG_TEXT = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is the cache of the Hugging Face tools.\n"
)
_ETAG = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_NO_SYMBOLIC_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
)  # EINVAL: a Windows account without the privilege
_FORBIDDEN = frozenset('\\:*?"<>|' if os.name == "nt" else "\\")


class HubCache:
    """One cache directory. Raises NotWritable, DiskFull, and NetworkError for names that the Hub cannot have sent."""

    def __init__(self, directory: Path, *, makes_links: bool = True) -> None:
        self.directory = directory
        self._makes_links = makes_links

    def repository_directory(self, repository: str) -> Path:
        """Return the directory of a repository."""
        return self.directory / (MODELS_PREFIX + "--".join(checked_parts(repository)))

    def blob_path(self, repository: str, etag: str) -> Path:
        """Return the path of a blob."""
        return self.repository_directory(repository) / "blobs" / _checked("digest", etag, is_etag)

    def partial_path(self, repository: str, etag: str) -> Path:
        """Return the path of a blob's partial file; cache scanners see it as an incomplete download."""
        blob = self.blob_path(repository, etag)
        return blob.with_name(f"{blob.name}{PARTIAL_SUFFIX}")

    @contextlib.contextmanager
    def lock(self, repository: str, etag: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock that huggingface_hub takes for a blob; call `on_wait` if another process has it."""
        blob = self.blob_path(repository, etag)
        with contextlib.ExitStack() as stack:
            with translate_write_errors(self.directory, CACHE):
                stack.enter_context(blob_lock(blob.parent.parent, blob.name, on_wait))
            yield

    def prepare(self, repository: str, commit: str) -> None:
        """Create the directories; the snapshot's first, because scanners call a repository without one damaged."""
        directory = self.repository_directory(repository)
        snapshot = directory / "snapshots" / _checked("commit", commit, is_commit)
        with translate_write_errors(snapshot, CACHE):
            snapshot.mkdir(parents=True, exist_ok=True)
            (directory / "blobs").mkdir(exist_ok=True)
        tag = self.directory / _CACHE_TAG
        if not tag.exists():
            with contextlib.suppress(OSError):  # as huggingface_hub does: nothing depends on it
                tag.write_text(_CACHE_TAG_TEXT, "utf-8")

    def commit_blob(self, repository: str, etag: str, partial: Path) -> None:
        """Move a complete file to its place."""
        blob = self.blob_path(repository, etag)
        with translate_write_errors(blob, CACHE):
            blob.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(blob)

    def pointer_path(self, repository: str, commit: str, path: str) -> Path:
        """Return the path of a file in the snapshot of a commit."""
        directory = self.repository_directory(repository)
        return directory.joinpath("snapshots", _checked("commit", commit, is_commit), *checked_parts(path))

    def link(self, repository: str, commit: str, revision: str | None, path: str, etag: str) -> Path:
        """Create the snapshot's pointer to a blob, then the ref of the requested revision (None: main)."""
        directory = self.repository_directory(repository)
        pointer = self.pointer_path(repository, commit, path)
        with translate_write_errors(pointer, CACHE):
            pointer.parent.mkdir(parents=True, exist_ok=True)
            self._point(pointer, self.blob_path(repository, etag))
            _write_ref(directory, revision or "main", commit)
        return pointer

    def _point(self, pointer: Path, blob: Path) -> None:
        if _is_there(pointer, blob):
            return
        if not blob.is_file():
            raise FileNotFoundError(errno.ENOENT, "the downloaded file was removed", str(blob))
        if not self._makes_links:
            blob.replace(pointer)
            return
        temporary = _temporary_name(blob.parent.parent)
        try:
            temporary.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError as error:
            needs_privilege = getattr(error, "winerror", None) == 1314  # ERROR_PRIVILEGE_NOT_HELD
            if error.errno not in _NO_SYMBOLIC_LINKS and not needs_privilege:
                raise
            blob.replace(pointer)
        else:
            _rename(temporary, pointer)


def checked_parts(path: str) -> tuple[str, ...]:
    """Split a repository path. Raises NetworkError if it points outside its directory, on any system."""
    parts = tuple(path.split("/"))
    if any(part in ("", ".", "..") or set(part) & _FORBIDDEN for part in parts) or "\0" in path or ":" in parts[0]:
        raise NetworkError(
            f"the repository has a file name that points outside its directory: {path!r}",
            "do not use this repository: the name is an attack",
        )
    return parts


def is_etag(text: str) -> bool:
    """Whether a text can name a blob."""
    return _ETAG.fullmatch(text) is not None


def _checked(what: str, text: str, is_valid: Callable[[str], bool]) -> str:
    if not is_valid(text):
        raise NetworkError(f"the Hub sent an invalid {what}: {text!r}", "check HF_ENDPOINT")
    return text


def _is_there(pointer: Path, blob: Path) -> bool:
    """Whether the pointer leads to the blob, or, without links, is the file itself."""
    return pointer.exists() and (not blob.exists() or is_same_file(pointer, blob))


def _write_ref(directory: Path, revision: str, commit: str) -> None:
    """Point a branch or tag at a commit; a commit needs no ref."""
    if revision == commit:
        return
    ref = directory.joinpath("refs", *checked_parts(revision))
    if ref.is_file() and ref.read_bytes() == commit.encode():
        return
    ref.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_name(directory)
    temporary.write_text(commit, "utf-8")
    _rename(temporary, ref)


def _temporary_name(directory: Path) -> Path:
    """Return a name outside refs and snapshots, where scanners would take it for a ref or a model file."""
    return directory / f"{STRAY_PREFIX}{uuid.uuid4().hex[:12]}"


def _rename(temporary: Path, destination: Path) -> None:
    try:
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)
