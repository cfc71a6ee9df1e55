"""What the local Hub serves: repositories, their revisions, and files with the digests that the real Hub announces."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

LARGE_FILE_BYTES = 100_000  # files of this size are in Git LFS, smaller ones in Git; the real Hub's limit is 10 MB
_READ_BYTES = 4 << 20

_digests: dict[tuple[Path, int, int], str] = {}
_digests_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository, and where its bytes lie."""

    path: str
    source: Path

    @property
    def size_bytes(self) -> int:
        return self.source.stat().st_size

    @property
    def is_large(self) -> bool:
        """Whether it is in Git LFS: announced by sha256, and served by the second host."""
        return self.path.endswith(".gguf") or self.size_bytes >= LARGE_FILE_BYTES

    @property
    def sha256(self) -> str:
        status = self.source.stat()
        key = (self.source, status.st_mtime_ns, status.st_size)
        with _digests_lock:
            if key not in _digests:
                _digests[key] = _sha256_of(self.source)
            return _digests[key]

    @property
    def pointer(self) -> bytes:
        """What Git itself stores of a file in LFS."""
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size_bytes}\n".encode()
        )

    @property
    def git_id(self) -> str:
        content = self.pointer if self.is_large else self.source.read_bytes()
        return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()

    @property
    def etag(self) -> str:
        """The name of the file's blob in a cache."""
        return self.sha256 if self.is_large else self.git_id


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit: all files that it has."""

    commit: str
    files: tuple[HubFile, ...]

    def find(self, path: str) -> HubFile | None:
        return next((file for file in self.files if file.path == path), None)


class Repository:
    """A repository with its commits, the newest last; `main` and tags point at commits."""

    def __init__(self, repository_id: str, revision: Revision, *, gated: bool, private: bool) -> None:
        self.id = repository_id
        self.gated = gated
        self.private = private
        self.revisions = [revision]
        self.references = {"main": revision.commit}

    def find_revision(self, name: str) -> Revision | None:
        commit = self.references.get(name.removeprefix("refs/heads/"), name)
        return next((revision for revision in self.revisions if revision.commit == commit), None)

    def add_revision(self, revision: Revision, reference: str) -> None:
        self.revisions.append(revision)
        self.references[reference] = revision.commit

    def find_blob(self, sha256: str) -> HubFile | None:
        """The newest file of that digest, as the second host finds it."""
        files = (file for revision in reversed(self.revisions) for file in revision.files if file.is_large)
        return next((file for file in files if file.sha256 == sha256), None)


def make_revision(repository_id: str, files: Mapping[str, Path], ordinal: int) -> Revision:
    """A commit whose name depends on the repository, the file names and how many commits there were."""
    text = f"{repository_id} {ordinal} {' '.join(sorted(files))}"
    commit = hashlib.sha1(text.encode()).hexdigest()
    return Revision(commit, tuple(HubFile(path, files[path].resolve()) for path in sorted(files)))


def read_directory(directory: Path, add: Callable[[str, Mapping[str, Path]], object]) -> None:
    """Adds every `USER/REPOSITORY` directory below `directory`."""
    for repository in sorted(path for path in directory.glob("*/*") if path.is_dir()):
        files = {path.relative_to(repository).as_posix(): path for path in repository.rglob("*") if path.is_file()}
        add(repository.relative_to(directory).as_posix(), files)


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
