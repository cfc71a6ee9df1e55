"""Remove names, and the files that nothing else needs."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from g4run.errors import DamagedRecord, G4RunError, ModelNotFound
from g4run.files import CACHE, DATA, remove_file, translate_write_errors
from g4run.models.hub_cache.cache import file_size, locate_in_snapshot, repository_directory
from g4run.models.hub_cache.removal import Unlinked, unlink_snapshot_file
from g4run.models.hub_cache.unfinished import find_unfinished, remove_unfinished
from g4run.models.names.parse import parse_name
from g4run.models.names.types import DEMO, DemoName
from g4run.models.store.records import Entry, Origin, StoredFile
from g4run.models.store.store import Store

_COPIES = "files"  # below the data directory; g4run 0.1.0 copied files there on request


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that stays on disk, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Released:
    """What releasing files freed."""

    freed_bytes: int
    kept: tuple[KeptFile, ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing a name freed."""

    name: str
    freed_bytes: int
    kept: tuple[KeptFile, ...]


def remove(store: Store, names: Sequence[str]) -> tuple[Removal, ...]:
    """Remove names, their files if nothing else uses them, and what their unfinished pulls downloaded.

    Raises ModelNotFound before anything is removed; NotWritable if the file system refuses, which keeps that name;
    DamagedRecord if the store's directory cannot be read.
    """
    with store.locked():
        entries = {entry.name.lower(): entry for entry in (_find(store, name) for name in names)}
        users = _Users.of(store, frozenset(entries))
        return tuple(_remove(store, entry, users) for entry in entries.values())


def release_files(store: Store, files: Sequence[StoredFile]) -> Released:
    """Remove the files that are ours and that no record uses. Raises NotWritable, DamagedRecord."""
    with store.locked():
        return _release_all(store, files, _Users.of(store, frozenset()))


def arrived_files(store: Store, entry: Entry) -> tuple[StoredFile, ...]:
    """Return the complete files that an unfinished pull downloaded, as far as they still exist."""

    def has_arrived(file: StoredFile) -> bool:
        directory = repository_directory(store.settings.hub_cache, file.repository or "")
        return file.is_at(file.path) or file.is_at(directory / "blobs" / (file.sha256 or "-"))

    return tuple(file for file in entry.pulling if has_arrived(file))


def _find(store: Store, name: str) -> Entry:
    """Find a name as typed, or in its canonical form; a damaged entry counts as an empty one."""
    for spelling in (name, _canonical(name)):
        try:
            entry = store.find_entry(spelling)
        except DamagedRecord:
            return Entry(spelling, None)
        if entry is not None:
            return entry
    raise store.unknown(name)


def _canonical(name: str) -> str:
    try:
        parsed = parse_name(name)
    except G4RunError:
        return name
    if isinstance(parsed, DemoName):
        raise ModelNotFound(f"{DEMO} is built in and cannot be removed", "`g4run list` shows the names that can")
    return parsed.text


def _remove(store: Store, entry: Entry, users: "_Users") -> Removal:
    """Remove the files first, so that an interrupted removal can be repeated."""
    partials = _remove_partials(store, entry)
    released = _release_all(store, (*(entry.record.files if entry.record else ()), *arrived_files(store, entry)), users)
    store.remove(entry.name)
    return Removal(entry.name, partials.freed_bytes + released.freed_bytes, (*partials.kept, *released.kept))


def _remove_partials(store: Store, entry: Entry) -> Released:
    """Remove the unfinished downloads of a name."""
    freed_bytes, kept = 0, []
    wanted = {(file.repository, file.sha256) for file in entry.pulling}
    for found in find_unfinished(store.settings.hub_cache) if wanted else ():
        if found.is_ours and (found.repository, found.etag) in wanted:
            found_bytes = found.bytes_on_disk
            reason = remove_unfinished(store.settings.hub_cache, found)
            freed_bytes += 0 if reason else found_bytes
            kept += [KeptFile(found.path, reason)] if reason else []
    return Released(freed_bytes, tuple(kept))


def _release_all(store: Store, files: Sequence[StoredFile], users: "_Users") -> Released:
    freed_bytes, kept = 0, []
    for file in files:
        is_cached = file.path.is_relative_to(store.settings.hub_cache)
        with translate_write_errors(file.path, CACHE if is_cached else DATA):
            unlinked = _release(store, file, users)
        freed_bytes += unlinked.freed_bytes
        kept += [KeptFile(file.path, unlinked.kept)] if unlinked.kept else []
    return Released(freed_bytes, tuple(kept))


def _release(store: Store, file: StoredFile, users: "_Users") -> Unlinked:
    """Remove a file unless something else needs it."""
    user = users.of_path(file.path)
    if user is not None:
        return Unlinked(0, f"{user} also uses it" if os.path.lexists(file.path) else None)
    if not file.origin.is_ours:
        return Unlinked(0, _not_ours(store, file) if file.path.exists() else None)
    if users.unreadable is not None:
        damaged = users.unreadable
        return Unlinked(0, f"the record of {damaged} cannot be read and may need it: g4run rm {damaged}")
    if file.origin is Origin.COPIED:
        return _remove_copy(store, file.path)
    user = users.of_bytes(file.path)
    reason = None if user is None else f"{user} also uses it"
    return unlink_snapshot_file(store.settings.hub_cache, file.path, sha256=file.sha256, blob_user=reason)


def _not_ours(store: Store, file: StoredFile) -> str:
    if file.origin is Origin.LINKED:
        return "it is your own file"
    if locate_in_snapshot(store.settings.hub_cache, file.path):
        return "it was in the Hugging Face cache before"
    return "it is another program's file"


def _remove_copy(store: Store, path: Path) -> Unlinked:
    directory = store.settings.data_directory / _COPIES
    if not path.parent.is_relative_to(directory) or path.parent == directory or ".." in path.parts:
        return Unlinked(0, f"it is not in {directory}")
    size_bytes = file_size(path) or 0
    remove_file(path)
    with contextlib.suppress(OSError):
        path.parent.rmdir()
    return Unlinked(size_bytes)


@dataclass(frozen=True, slots=True)
class _Users:
    """The names that use a file, by its stored path and by its real path."""

    by_path: dict[str, str]
    by_bytes: dict[str, str]
    unreadable: str | None  # the name of a damaged record

    @classmethod
    def of(cls, store: Store, removed: frozenset[str]) -> "_Users":
        """Collect all records except those to be removed, given by name in lower case."""
        records, damaged = store.read()
        files = [(file.path, each.name) for each in records if each.name.lower() not in removed for file in each.files]
        unreadable = next((entry.name for entry in damaged if entry.name.lower() not in removed), None)
        by_path = {_place(path): name for path, name in files}
        return cls(by_path, {_real_place(path): name for path, name in files}, unreadable)

    def of_path(self, path: Path) -> str | None:
        """Return a name that uses this path."""
        return self.by_path.get(_place(path))

    def of_bytes(self, path: Path) -> str | None:
        """Return a name that uses a path to the same file."""
        return self.by_bytes.get(_real_place(path))


def _place(path: Path) -> str:
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a snapshot's link


def _real_place(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))
