"""Carrying out a pull: fetch what is missing, check everything, and only then give it a name."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from g4run.errors import DigestMismatch, InvalidModelFile
from g4run.models.digest import sha256_of
from g4run.models.elsewhere.elsewhere import find_same_file
from g4run.models.gguf.architecture import Gemma4, inspect_architecture
from g4run.models.gguf.file_types import quantization_in
from g4run.models.gguf.header import GgufHeader, read_header
from g4run.models.gguf.loadable import check_loadable
from g4run.models.gguf.shards import read_model
from g4run.models.hub.cache import file_size
from g4run.models.hub.client import Hub
from g4run.models.hub.remote_files import Link
from g4run.models.library import Library
from g4run.models.pull.plan import PlannedFile, PullPlan, check_space
from g4run.models.quantizations import FileRole
from g4run.models.store.records import timestamp
from g4run.models.store.removal import release_files
from g4run.models.store.store import Origin, Record, StoredFile, Summary
from g4run.models.transfer.transfer import present_bytes, transfer

COMPANION_ARCHITECTURES = {FileRole.PROJECTOR: "clip", FileRole.DRAFTER: "gemma4-assistant"}


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
class _Fetched:
    """A file that is here and was checked; `is_new` where this pull brought it."""

    planned: PlannedFile
    stored: StoredFile
    is_new: bool


def execute_pull(library: Library, hub: Hub, plan: PullPlan, observer: PullObserver) -> Record:
    """Do what was planned and return the name's new record.

    Raises DiskFull before the first byte, and all that `transfer` raises; what came is kept for the next pull. Raises
    DigestMismatch or InvalidModelFile where the files are not what they should be: the name then stays as it was.
    """
    observer.planned(plan)
    check_space(plan)
    before = library.store.find(plan.name)
    with ExitStack() as locks:  # held until the name exists: nobody takes the new files for abandoned ones
        held = _Locks(hub, locks)
        fetched = [_Fetching(library, hub, plan, file, observer, held).run() for file in plan.files]
        try:
            model, header = _check_files(fetched)
        except InvalidModelFile:
            locks.close()
            release_files(library.store, [file.stored for file in fetched if file.is_new])
            raise
        record = _make_record(plan, before, model, header, fetched)
        library.store.save(record)
    if before is not None:
        release_files(library.store, before.files)
    return record


class _Locks:
    """The locks of this pull's blobs, each taken once."""

    def __init__(self, hub: Hub, stack: ExitStack) -> None:
        self._hub = hub
        self._stack = stack
        self._taken: set[tuple[str, str]] = set()

    def take(self, file: PlannedFile, etag: str, on_wait: Callable[[], None]) -> None:
        """Wait for the lock of a blob, and keep it until the pull ends."""
        if (file.repository, etag) not in self._taken:
            self._stack.enter_context(self._hub.lock(file.repository, etag, on_wait))
            self._taken.add((file.repository, etag))


class _Fetching:
    """One file on its way into the cache."""

    def __init__(
        self,
        library: Library,
        hub: Hub,
        plan: PullPlan,
        file: PlannedFile,
        observer: PullObserver,
        locks: _Locks,
    ) -> None:
        self._locks = locks
        self._library = library
        self._hub = hub
        self._plan = plan
        self._file = file
        self._observer = observer

    def run(self) -> _Fetched:
        """Use what is here if its digest is right, else fetch."""
        self._observer.started(self._file)
        if self._file.source == "elsewhere":
            found = self._find_elsewhere()
            if found is not None:
                return self._done(found, Origin.FOUND, self._file.sha256, is_new=False)
        if self._file.source == "cache" and self._file.where is not None:
            fetched = self._use_cached(self._file.where)
            if fetched is not None:
                return fetched
        return self._fetch()

    def _use_cached(self, path: Path) -> _Fetched | None:
        """Take the file that the cache has, unless it turns out to be damaged."""
        known = self._known_file(path)
        digest = known.sha256 if known else self._hash(path)
        if self._file.sha256 is not None and digest != self._file.sha256:
            return None
        pointer = self._link(self._locate().etag if self._file.sha256 is None else self._file.sha256)
        return self._done(pointer, known.origin if known else Origin.FOUND, digest, is_new=False)

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

    def _known_file(self, path: Path) -> StoredFile | None:
        """The same file under another name, hashed when that came; not if it was touched since."""
        for record in self._library.store.records():
            for file in record.files:
                is_same = file.sha256 == self._file.sha256 is not None and file_size(file.path) is not None
                if is_same and file.path.samefile(path) and _is_untouched(path, record.modified_at):
                    return file
        return None

    def _fetch(self) -> _Fetched:
        first = self._locate()
        self._locks.take(self._file, first.etag, lambda: self._observer.waiting(self._file))
        self._hub.prepare(self._file.repository, self._file.commit)
        blob = self._hub.blob_path(self._file.repository, first.etag)
        shared = self._hash(blob) if file_size(blob) is not None else None
        is_shared = shared is not None and shared == self._file.sha256
        digest = shared if is_shared else self._transfer(first)
        return self._done(self._link(first.etag), Origin.DOWNLOADED, digest, is_new=not is_shared)

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
        self._hub.commit_blob(self._file.repository, first.etag, partial_file)
        return done.sha256

    def _locate(self) -> Link:
        return self._hub.locate(self._file.repository, self._file.commit, self._file.path)

    def _hash(self, path: Path) -> str:
        self._observer.verifying(self._file)
        return sha256_of(path, partial(self._observer.progressed, self._file))

    def _link(self, etag: str) -> Path:
        return self._hub.link(
            self._file.repository, self._file.commit, self._plan.requested_revision or "main", self._file.path, etag
        )

    def _done(self, path: Path, origin: Origin, sha256: str | None, *, is_new: bool) -> _Fetched:
        if path.stat().st_size != self._file.size_bytes:
            raise DigestMismatch(
                f"{path} has {path.stat().st_size} bytes, but the Hub says {self._file.size_bytes}",
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
        return _Fetched(self._file, stored, is_new)


def _is_untouched(path: Path, since: str) -> bool:
    """Whether a file was last written before a record of it was made."""
    return path.stat().st_mtime <= datetime.fromisoformat(since).timestamp()


def downloaded_bytes(hub: Hub, plan: PullPlan) -> int:
    """What of a plan's downloads is kept on disk now, finished or not; for the person who stopped it."""
    return sum(_kept_bytes(hub, file) for file in plan.files if file.source == "download")


def _kept_bytes(hub: Hub, file: PlannedFile) -> int:
    if file.sha256 is None:
        return 0
    if file_size(hub.blob_path(file.repository, file.sha256)) == file.size_bytes:
        return file.size_bytes
    return present_bytes(hub.partial_path(file.repository, file.sha256))


def _check_files(fetched: list[_Fetched]) -> tuple[Gemma4, GgufHeader]:
    """Read every header. Raises InvalidModelFile, naming the file."""
    paths = [file.stored.path for file in fetched if file.planned.role is FileRole.MODEL]
    try:
        header = read_model(paths)
        model = inspect_architecture(header)
        check_loadable(header)
    except InvalidModelFile as error:
        named = error.message if ".gguf" in error.message else f"{paths[0].name}: {error.message}"
        raise InvalidModelFile(named, error.hint) from None
    for file in fetched:
        if file.planned.role in COMPANION_ARCHITECTURES:
            _check_companion(file.stored.path, COMPANION_ARCHITECTURES[file.planned.role])
    return model, header


def _check_companion(path: Path, architecture: str) -> None:
    found = read_header(path).metadata.get("general.architecture")
    if found != architecture:
        raise InvalidModelFile(f"{path.name} holds the architecture {found!r}, not {architecture!r}")


def _make_record(
    plan: PullPlan, before: Record | None, model: Gemma4, header: GgufHeader, fetched: list[_Fetched]
) -> Record:
    now = timestamp()
    return Record(
        name=plan.name,
        files=tuple(file.stored for file in fetched),
        summary=Summary(
            size_label=model.size_label,
            parameters=model.parameters,
            context_length=model.context_length,
            quantization=plan.quantization or quantization_in(header) or "unknown",
            has_thinking=model.has_thinking,
        ),
        repository=plan.repository,
        commit=plan.commit,
        requested_revision=plan.requested_revision,
        created_at=before.created_at if before else now,
        modified_at=now,
    )
