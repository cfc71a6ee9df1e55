"""The files of a pull: found here and checked, or downloaded into the cache."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from g4run.errors import DigestMismatch, G4RunError
from g4run.models.digest import is_sha256, sha256_of
from g4run.models.download.download import transfer
from g4run.models.external.search import find_same_file
from g4run.models.hub.client import Hub
from g4run.models.hub_cache.cache import blob_of, file_size, locate_in_snapshot
from g4run.models.hub_cache.layout import HubCache
from g4run.models.hub_cache.locks import blob_lock
from g4run.models.library import Library
from g4run.models.pull.plan import PlannedFile, PullPlan
from g4run.models.remote_files import Link
from g4run.models.store.records import Record
from g4run.models.store.store import Origin, StoredFile


class PullObserver(Protocol):
    """Is told how far a pull is; all calls come from the thread that pulls."""

    def planned(self, plan: PullPlan) -> None:
        """All that will be done; comes first."""

    def started(self, file: PlannedFile) -> None:
        """The next file's turn."""

    def progressed(self, file: PlannedFile, done_bytes: int) -> None:
        """So many bytes of the file are here; at most ten times a second."""

    def waiting(self, file: PlannedFile) -> None:
        """Another process is downloading this very file."""

    def verifying(self, file: PlannedFile) -> None:
        """A file that was here is being hashed; `progressed` counts what is done of it."""

    def finished(self, file: PlannedFile, path: Path) -> None:
        """The file is here, and its digest is right."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is here and was checked; `is_new` where this pull brought it, or an earlier one that was stopped."""

    planned: PlannedFile
    stored: StoredFile
    is_new: bool


class Fetcher:
    """Brings the files of one pull here; what it locks stays locked until `locks` is closed."""

    def __init__(self, library: Library, hub: Hub, plan: PullPlan, observer: PullObserver, locks: ExitStack) -> None:
        self._settings = library.settings
        self._store = library.store
        self._cache = HubCache(library.settings.hub_cache, makes_links=library.settings.makes_links)
        self._hub = hub
        self._plan = plan
        self._observer = observer
        self._locks = locks
        self._locked: set[Path] = set()
        self._damaged: set[tuple[int, int, int]] = set()  # files that were hashed and are not the wanted ones

    def begin(self) -> None:
        """Note what will be downloaded, beside what a stopped pull of the name has brought. Raises NotWritable."""
        with self._store.locked():
            entry = self._store.find_entry(self._plan.name)
            planned = [self._stored(file, None) for file in self._plan.files if file.source == "download"]
            arrived = [file for file in entry.pulling if file.modified_ns is not None] if entry else []
            self._store.save_pulling(
                self._plan.name, tuple({file.path: file for file in (*planned, *arrived)}.values())
            )

    def fetch(self, file: PlannedFile) -> Fetched:
        """Use what is here if its digest is right, else download."""
        self._observer.started(file)
        found = None
        if file.source == "elsewhere":
            found = self._use_external(file)
        elif file.where is not None:
            found = self._use_cached(file, file.where)
        return found or self._download(file)

    def _use_external(self, file: PlannedFile) -> Fetched | None:
        """Take a file that lies elsewhere, be it in another repository of the cache; each that may be it is hashed."""
        self._observer.verifying(file)
        on_progress = partial(self._observer.progressed, file)
        path = find_same_file(self._settings, Path(file.path).name, file.size_bytes, file.sha256, on_progress)
        if path is None:
            return None
        place = locate_in_snapshot(self._settings.hub_cache, path)
        if place is not None:
            self._keep(place.directory / "blobs" / blob_of(path).name)
        return self._done(file, path, file.sha256)

    def _use_cached(self, file: PlannedFile, path: Path) -> Fetched | None:
        """Take the file that the cache has, unless it turns out to be damaged, or was removed meanwhile."""
        if file.sha256 is not None:
            self._keep(self._cache.blob_path(file.repository, file.sha256))
        if file_size(path) != file.size_bytes or _state_of(path) in self._damaged:
            return None
        digest = self._digest_of(file, path)
        if file.sha256 not in (None, digest):
            self._damaged.add(_state_of(path))
            return None
        return self._done(file, self._link(file, file.sha256 or self._locate(file).etag), digest)

    def _download(self, file: PlannedFile) -> Fetched:
        first = self._locate(file)
        self._wait_for_lock(file, first.etag)
        self._cache.prepare(file.repository, file.commit)
        found = None
        if file.sha256 is not None:  # another process may have downloaded it meanwhile
            found = self._use_cached(file, self._cache.blob_path(file.repository, first.etag))
        if found is None:
            digest = self._transfer(file, first)
            found = self._done(file, self._link(file, first.etag), digest)
        return found

    def _transfer(self, file: PlannedFile, first: Link) -> str:
        """Download into the partial file, and move it to its place once it is whole and right."""
        partial_file = self._cache.partial_path(file.repository, first.etag)
        links = [first]
        done = transfer(
            self._hub.session,
            lambda: links.pop() if links else self._locate(file),
            partial_file,
            expected_sha256=file.sha256 or (first.etag if is_sha256(first.etag) else None),
            on_progress=partial(self._observer.progressed, file),
        )
        self._note(replace(self._stored(file, done.sha256), modified_ns=partial_file.stat().st_mtime_ns))
        self._cache.commit_blob(file.repository, first.etag, partial_file)
        return done.sha256

    def _note(self, arrived: StoredFile) -> None:
        """Note that a file is whole: until the name's record is complete, nothing else tells that it is ours."""
        with self._store.locked():
            entry = self._store.find_entry(self._plan.name)
            others = [file for file in entry.pulling if file.path != arrived.path] if entry else []
            self._store.save_pulling(self._plan.name, (*others, arrived))

    def _wait_for_lock(self, file: PlannedFile, etag: str) -> None:
        blob = self._cache.blob_path(file.repository, etag)
        if blob not in self._locked:
            lock = self._cache.lock(file.repository, etag, lambda: self._observer.waiting(file))
            self._locks.enter_context(lock)
            self._locked.add(blob)

    def _keep(self, blob: Path) -> None:
        """Keep others from removing a blob that is there, without waiting.

        Who has its lock already does so as well, and where there can be no lock, nothing can be removed.
        """
        with suppress(OSError):
            if blob not in self._locked and self._locks.enter_context(blob_lock(blob.parent.parent, blob.name)):
                self._locked.add(blob)

    def _digest_of(self, file: PlannedFile, path: Path) -> str | None:
        """The digest of a file of the cache; it is not hashed again where a record says that nobody wrote to it."""
        for record, known in self._known_files(file.sha256, path):
            if path.stat().st_mtime <= datetime.fromisoformat(record.modified_at).timestamp():
                return known.sha256
        self._observer.verifying(file)
        with _readable(path):
            return sha256_of(path, partial(self._observer.progressed, file))

    def _known_files(self, sha256: str | None, path: Path) -> Iterator[tuple[Record, StoredFile]]:
        """The same file as names have it, and their records."""
        for record in self._store.records() if sha256 is not None else ():
            for known in record.files:
                if known.sha256 == sha256 and _is_same(known.path, path):
                    yield record, known

    def _origin_of(self, sha256: str | None, path: Path) -> tuple[Origin, bool]:
        """Whose a file is, and whether a pull brought it that has not ended."""
        entries, _ = self._store.read_entries()
        pulled = (file for entry in entries for file in entry.pulling if file.sha256 == sha256)
        if sha256 is not None and any(file.is_at(path) for file in pulled):
            return Origin.DOWNLOADED, True
        return next((known.origin for _, known in self._known_files(sha256, path)), Origin.FOUND), False

    def _locate(self, file: PlannedFile) -> Link:
        return self._hub.locate(file.repository, file.commit, file.path)

    def _link(self, file: PlannedFile, etag: str) -> Path:
        return self._cache.link(file.repository, file.commit, file.reference or file.commit, file.path, etag)

    def _done(self, file: PlannedFile, path: Path, sha256: str | None) -> Fetched:
        size_bytes = path.stat().st_size
        if size_bytes != file.size_bytes:
            raise DigestMismatch(
                f"{path} has {size_bytes} bytes, but the Hub says {file.size_bytes}", f"g4run pull {self._plan.name}"
            )
        origin, is_new = self._origin_of(sha256, path)
        self._observer.finished(file, path)
        return Fetched(file, replace(self._stored(file, sha256), path=path, origin=origin), is_new)

    def _stored(self, file: PlannedFile, sha256: str | None) -> StoredFile:
        """A file as a record has it, downloaded to its place in the cache."""
        return StoredFile(
            role=file.role,
            path=self._cache.pointer_path(file.repository, file.commit, file.path),
            size_bytes=file.size_bytes,
            sha256=sha256 or file.sha256,
            origin=Origin.DOWNLOADED,
            repository=file.repository,
            commit=file.commit,
            repository_path=file.path,
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the file system refuses to read into an error that says what to do."""
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
