"""Fetch the files of a pull: use files on this machine if they are right, and download the others."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from g4run.errors import DigestMismatch, G4RunError
from g4run.models.digest import is_sha256, sha256_of
from g4run.models.download.download import download
from g4run.models.external.search import find_same_file
from g4run.models.hub.client import Hub
from g4run.models.hub_cache.cache import blob_of, file_size, is_same_file, locate_in_snapshot
from g4run.models.hub_cache.layout import HubCache
from g4run.models.hub_cache.locks import blob_lock
from g4run.models.library import Library
from g4run.models.pull.plan import PlannedFile, PullPlan
from g4run.models.remote_files import Link
from g4run.models.store.records import Record
from g4run.models.store.store import Origin, StoredFile


class PullObserver(Protocol):
    """Receives the progress of a pull, in the thread that pulls."""

    def planned(self, plan: PullPlan) -> None:
        """The pull starts with this plan."""

    def started(self, file: PlannedFile) -> None:
        """A file starts."""

    def progressed(self, file: PlannedFile, done_bytes: int) -> None:
        """This much of the file is done; at most ten times a second."""

    def waiting(self, file: PlannedFile) -> None:
        """Another process is downloading this file."""

    def verifying(self, file: PlannedFile) -> None:
        """A file on this machine is being hashed, with `progressed` calls."""

    def finished(self, file: PlannedFile, path: Path) -> None:
        """The file is complete and verified."""


class Fetcher:
    """Fetch the files of one pull; the locks it takes are released when `locks` is closed.

    `new` are the files that this pull downloaded, or an earlier one that was stopped.
    """

    def __init__(self, library: Library, hub: Hub, plan: PullPlan, observer: PullObserver, locks: ExitStack) -> None:
        self._settings = library.settings
        self._store = library.store
        self._cache = HubCache(library.settings.hub_cache, makes_links=library.settings.makes_links)
        self._hub = hub
        self._plan = plan
        self._observer = observer
        self._locks = locks
        self._locked: set[Path] = set()
        self.new: list[StoredFile] = []

    def begin(self) -> None:
        """Record what will be downloaded, and keep what a stopped pull of the name downloaded. Raises NotWritable."""
        with self._store.locked():
            planned = [self._stored(file, None) for file in self._plan.files if file.source == "download"]
            arrived = [file for file in self._store.find_pulling(self._plan.name) if file.modified_ns is not None]
            self._store.save_pulling(self._plan.name, (*planned, *arrived))

    def fetch(self, file: PlannedFile) -> StoredFile:
        """Use a file on this machine if its digest is right; otherwise download it."""
        self._observer.started(file)
        found = None
        if file.source == "elsewhere":
            found = self._use_external(file)
        elif file.where is not None:
            found = self._use_cached(file, file.where)
        return found or self._download(file)

    def _use_external(self, file: PlannedFile) -> StoredFile | None:
        """Use a file of another program or another repository; each candidate is hashed."""
        self._observer.verifying(file)
        on_progress = partial(self._observer.progressed, file)
        path = find_same_file(self._settings, Path(file.path).name, file.size_bytes, file.sha256, on_progress)
        if path is None:
            return None
        place = locate_in_snapshot(self._settings.hub_cache, path)
        if place is not None:
            self._keep(place.directory / "blobs" / blob_of(path).name)
        return self._done(file, path, file.sha256)

    def _use_cached(self, file: PlannedFile, path: Path) -> StoredFile | None:
        """Use the cached file, unless it is damaged or was removed meanwhile."""
        if file.sha256 is not None:
            self._keep(self._cache.blob_path(file.repository, file.sha256))
        if file_size(path) != file.size_bytes:
            return None
        digest = self._digest_of(file, path)
        if file.sha256 not in (None, digest):
            return None
        return self._done(file, self._link(file, file.sha256 or self._locate(file).etag), digest)

    def _download(self, file: PlannedFile) -> StoredFile:
        first = self._locate(file)
        blob = self._cache.blob_path(file.repository, first.etag)
        if blob not in self._locked:
            lock = self._cache.lock(file.repository, first.etag, partial(self._observer.waiting, file))
            self._locks.enter_context(lock)
            self._locked.add(blob)
        self._cache.prepare(file.repository, file.commit)
        found = None
        if file.sha256 is not None and file.source != "cache":  # another process may have downloaded it meanwhile
            found = self._use_cached(file, blob)
        if found is None:
            digest = self._transfer(file, first)
            found = self._done(file, self._link(file, first.etag), digest)
        return found

    def _transfer(self, file: PlannedFile, first: Link) -> str:
        """Download into the partial file, and move it to its place when it is complete and verified."""
        partial_file = self._cache.partial_path(file.repository, first.etag)
        links = [first]
        done = download(
            self._hub.session,
            lambda: links.pop() if links else self._locate(file),
            partial_file,
            expected_sha256=file.sha256 or (first.etag if is_sha256(first.etag) else None),
            on_progress=partial(self._observer.progressed, file),
        )
        arrived = replace(self._stored(file, done.sha256), modified_ns=partial_file.stat().st_mtime_ns)
        with self._store.locked():  # until the name's record is complete, nothing else shows that the file is ours
            self._store.save_pulling(self._plan.name, (*self._store.find_pulling(self._plan.name), arrived))
        self._cache.commit_blob(file.repository, first.etag, partial_file)
        return done.sha256

    def _keep(self, blob: Path) -> None:
        """Keep other processes from removing an existing blob, without waiting.

        If another process has the lock, it keeps the blob too. If no lock can be taken, nothing can be removed either.
        """
        with suppress(OSError):
            if blob not in self._locked and self._locks.enter_context(blob_lock(blob.parent.parent, blob.name)):
                self._locked.add(blob)

    def _digest_of(self, file: PlannedFile, path: Path) -> str | None:
        """Return the digest of a cached file; hash it unless a record is newer than its last change."""
        for record, known in self._known_files(file.sha256, path):
            if path.stat().st_mtime <= datetime.fromisoformat(record.modified_at).timestamp():
                return known.sha256
        self._observer.verifying(file)
        try:
            return sha256_of(path, partial(self._observer.progressed, file))
        except OSError as error:
            problem = f"cannot read {path}: {error.strerror or error}"
            raise G4RunError(problem, "make it readable, or set HF_HOME to a directory of your own") from error

    def _known_files(self, sha256: str | None, path: Path) -> Iterator[tuple[Record, StoredFile]]:
        """Yield the same file as records have it, after each record."""
        for record in self._store.records() if sha256 is not None else ():
            for known in record.files:
                if known.sha256 == sha256 and is_same_file(known.path, path):
                    yield record, known

    def _origin_of(self, sha256: str | None, path: Path) -> tuple[Origin, bool]:
        """Return the origin of a file, and whether a pull that has not ended downloaded it."""
        entries, _ = self._store.read_entries()
        pulled = (file for entry in entries for file in entry.pulling if file.sha256 == sha256)
        if sha256 is not None and any(file.is_at(path) for file in pulled):
            return Origin.DOWNLOADED, True
        return next((known.origin for _, known in self._known_files(sha256, path)), Origin.FOUND), False

    def _locate(self, file: PlannedFile) -> Link:
        return self._hub.locate(file.repository, file.commit, file.path)

    def _link(self, file: PlannedFile, etag: str) -> Path:
        return self._cache.link(file.repository, file.commit, file.reference or file.commit, file.path, etag)

    def _done(self, file: PlannedFile, path: Path, sha256: str | None) -> StoredFile:
        size_bytes = path.stat().st_size
        if size_bytes != file.size_bytes:
            raise DigestMismatch(
                f"{path} has {size_bytes} bytes, but the Hub says {file.size_bytes}", f"g4run pull {self._plan.name}"
            )
        origin, is_new = self._origin_of(sha256, path)
        self._observer.finished(file, path)
        stored = replace(self._stored(file, sha256), path=path, origin=origin)
        self.new += [stored] if is_new else []
        return stored

    def _stored(self, file: PlannedFile, sha256: str | None) -> StoredFile:
        """Describe a file at its place in the cache, as downloaded."""
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
