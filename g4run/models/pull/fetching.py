"""One file of a pull on its way: found here and checked, or fetched into the cache."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from g4run.errors import DigestMismatch, G4RunError
from g4run.models.digest import sha256_of
from g4run.models.download.download import transfer
from g4run.models.download.remote_files import Link
from g4run.models.external.search import find_same_file
from g4run.models.hub.client import Hub
from g4run.models.hub_cache.cache import blob_of, file_size, locate_in_snapshot
from g4run.models.hub_cache.locks import blob_lock
from g4run.models.hub_cache.marks import Marks
from g4run.models.library import Library
from g4run.models.pull.files import PlannedFile
from g4run.models.pull.plan import PullPlan
from g4run.models.store.records import Record
from g4run.models.store.store import Origin, StoredFile


class PullObserver(Protocol):
    """Who is told how far a pull is; all calls come from the thread that pulls."""

    def planned(self, plan: PullPlan) -> None:
        """All that will be done; comes first."""

    def started(self, file: PlannedFile) -> None:
        """The next file's turn."""

    def progressed(self, file: PlannedFile, done_bytes: int) -> None:
        """So many bytes of the file are here; at most ten times a second."""

    def waiting(self, file: PlannedFile) -> None:
        """Another process is fetching this very file."""

    def verifying(self, file: PlannedFile) -> None:
        """A file that was here is being hashed; `progressed` counts what is done of it."""

    def finished(self, file: PlannedFile, path: Path) -> None:
        """The file is here, and its digest is right."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is here and was checked; `is_new` where this pull brought it."""

    planned: PlannedFile
    stored: StoredFile
    is_new: bool


class Locks:
    """The locks of this pull's blobs, each taken once."""

    def __init__(self, hub: Hub, stack: ExitStack) -> None:
        self._hub = hub
        self._stack = stack
        self._taken: set[Path] = set()

    def take(self, file: PlannedFile, etag: str, on_wait: Callable[[], None]) -> None:
        """Wait for the lock of a blob, and keep it until the pull ends."""
        blob = self._hub.blob_path(file.repository, etag)
        if blob not in self._taken:
            self._stack.enter_context(self._hub.lock(file.repository, etag, on_wait))
            self._taken.add(blob)

    def keep(self, blob: Path) -> None:
        """Keep others from removing a blob that is there, without waiting.

        Who has its lock already does so as well, and where there can be no lock, nothing can be removed.
        """
        with suppress(OSError):
            if blob not in self._taken and self._stack.enter_context(blob_lock(blob.parent.parent, blob.name)):
                self._taken.add(blob)


class Fetching:
    """One file on its way into the cache."""

    def __init__(
        self,
        library: Library,
        hub: Hub,
        plan: PullPlan,
        file: PlannedFile,
        observer: PullObserver,
        locks: Locks,
    ) -> None:
        self._locks = locks
        self._library = library
        self._marks = Marks(library.settings.data_directory)
        self._hub = hub
        self._plan = plan
        self._file = file
        self._observer = observer
        self._damaged: tuple[int, int, int] | None = None  # the file that was hashed and is not the wanted one

    def run(self) -> Fetched:
        """Use what is here if its digest is right, else fetch."""
        self._observer.started(self._file)
        if self._file.source == "elsewhere":
            found = self._find_elsewhere()
            if found is not None:
                return self._use_found(found)
        if self._file.source == "cache" and self._file.where is not None:
            fetched = self._use_cached(self._file.where)
            if fetched is not None:
                return fetched
        return self._fetch()

    def _use_found(self, path: Path) -> Fetched:
        """Take a file that lies elsewhere, be it in another repository of the cache."""
        place = locate_in_snapshot(self._library.settings.hub_cache, path)
        if place is not None:
            self._locks.keep(place.directory / "blobs" / blob_of(path).name)
        origin, is_new = self._origin_of(path, self._known_file(path)[1])
        return self._done(path, origin, self._file.sha256, is_new=is_new)

    def _use_cached(self, path: Path) -> Fetched | None:
        """Take the file that the cache has, unless it turns out to be damaged, or was removed meanwhile."""
        if self._file.sha256 is not None:
            self._locks.keep(self._hub.blob_path(self._file.repository, self._file.sha256))
        if file_size(path) != self._file.size_bytes:
            return None
        checked = self._check(path)
        if checked is None:
            return None
        digest, origin, is_new = checked
        pointer = self._link(self._locate().etag if self._file.sha256 is None else self._file.sha256)
        return self._done(pointer, origin, digest, is_new=is_new)

    def _check(self, path: Path) -> tuple[str | None, Origin, bool] | None:
        """The digest of a file of the cache, and whose it is; None where it is not the wanted one."""
        record, known = self._known_file(path)
        is_hashed = known is not None and record is not None and _is_untouched(path, record.modified_at)
        digest = known.sha256 if known and is_hashed else self._hash(path)
        if self._file.sha256 is not None and digest != self._file.sha256:
            self._damaged = _state_of(path)
            return None
        return digest, *self._origin_of(path, known)

    def _origin_of(self, path: Path, known: StoredFile | None) -> tuple[Origin, bool]:
        """Whose a file of the cache is, and whether it came by a pull that was stopped before its end."""
        if known is not None:
            return known.origin, False
        is_ours = self._file.sha256 is not None and self._marks.has(self._file.sha256, path)
        return (Origin.DOWNLOADED if is_ours else Origin.FOUND), is_ours

    def _find_elsewhere(self) -> Path | None:
        """Another program's file that has the right bytes: each that may be the one is hashed."""
        self._observer.verifying(self._file)
        return find_same_file(
            self._library.settings,
            Path(self._file.path).name,
            self._file.size_bytes,
            self._file.sha256,
            partial(self._observer.progressed, self._file),
        )

    def _known_file(self, path: Path) -> tuple[Record | None, StoredFile | None]:
        """The same file under another name, or under this one, and the record that has it."""
        for record in self._library.store.records():
            for file in record.files:
                if file.sha256 == self._file.sha256 is not None and _is_same(file.path, path):
                    return record, file
        return None, None

    def _fetch(self) -> Fetched:
        first = self._locate()
        self._locks.take(self._file, first.etag, lambda: self._observer.waiting(self._file))
        self._hub.prepare(self._file.repository, self._file.commit)
        blob = self._hub.blob_path(self._file.repository, first.etag)
        is_there = self._file.sha256 is not None and file_size(blob) == self._file.size_bytes
        is_other = is_there and _state_of(blob) != self._damaged
        shared = self._check(blob) if is_other else None  # another process fetched it meanwhile
        if shared is not None:
            digest, origin, is_new = shared
            return self._done(self._link(first.etag), origin, digest, is_new=is_new)
        digest = self._transfer(first)
        return self._done(self._link(first.etag), Origin.DOWNLOADED, digest, is_new=True)

    def _transfer(self, first: Link) -> str:
        """Fetch into the partial file, and move it to its place once it is whole and right."""
        partial_file = self._hub.partial_path(self._file.repository, first.etag)
        links = [first]

        def resolve() -> Link:
            return links.pop() if links else self._locate()

        done = transfer(
            self._hub.session,
            resolve,
            partial_file,
            expected_sha256=self._file.sha256,
            on_progress=partial(self._observer.progressed, self._file),
        )
        if self._file.sha256 is not None:
            self._marks.set(self._file.sha256, partial_file)
        self._hub.commit_blob(self._file.repository, first.etag, partial_file)
        return done.sha256

    def _locate(self) -> Link:
        return self._hub.locate(self._file.repository, self._file.commit, self._file.path)

    def _hash(self, path: Path) -> str:
        self._observer.verifying(self._file)
        with _readable(path):
            return sha256_of(path, partial(self._observer.progressed, self._file))

    def _link(self, etag: str) -> Path:
        return self._hub.link(
            self._file.repository, self._file.commit, self._file.reference or self._file.commit, self._file.path, etag
        )

    def _done(self, path: Path, origin: Origin, sha256: str | None, *, is_new: bool) -> Fetched:
        size_bytes = path.stat().st_size
        if size_bytes != self._file.size_bytes:
            raise DigestMismatch(
                f"{path} has {size_bytes} bytes, but the Hub says {self._file.size_bytes}",
                f"g4run pull {self._plan.name}",
            )
        self._observer.finished(self._file, path)
        stored = StoredFile(
            role=self._file.role,
            path=path,
            size_bytes=self._file.size_bytes,
            sha256=sha256,
            origin=origin,
            repository=self._file.repository,
            commit=self._file.commit,
            repository_path=self._file.path,
        )
        return Fetched(self._file, stored, is_new)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what the file system refuses to read into an error for a person."""
    try:
        yield
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror or error}"
        raise G4RunError(
            problem, "let its owner make it readable, or set HF_HOME to a directory of your own"
        ) from error


def _is_same(path: Path, other: Path) -> bool:
    with suppress(OSError):
        return path.samefile(other)
    return False


def _state_of(path: Path) -> tuple[int, int, int]:
    """By which a file is told from one that took its place: device, number, time of modification."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _is_untouched(path: Path, since: str) -> bool:
    """Whether a file was last written before a record of it was made."""
    return path.stat().st_mtime <= datetime.fromisoformat(since).timestamp()
