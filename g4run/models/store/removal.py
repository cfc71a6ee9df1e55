"""Forgetting names, and freeing the bytes that nothing else needs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from g4run.errors import DamagedRecord, G4RunError, ModelNotFound
from g4run.files import explain_removal
from g4run.models.hub_cache.cache import file_size, locate_in_snapshot
from g4run.models.hub_cache.removal import unlink_snapshot_file
from g4run.models.names.parse import DEMO, DemoName, parse_name
from g4run.models.store.copies import COPIES, remove_copy
from g4run.models.store.records import Origin, Record, StoredFile
from g4run.models.store.store import Store


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that stays on disk, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Released:
    """What letting go of files freed."""

    freed_bytes: int
    kept: tuple[KeptFile, ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing a name freed."""

    name: str
    freed_bytes: int
    kept: tuple[KeptFile, ...]


@dataclass(frozen=True, slots=True)
class _Target:
    """A name to be removed; the record is None where it cannot be read."""

    name: str
    record: Record | None


def remove(store: Store, names: Sequence[str]) -> tuple[Removal, ...]:
    """Remove names, and their files where nothing else uses them.

    Raises ModelNotFound before anything is removed, NotWritable where the file system refuses: that name then stays;
    DamagedRecord where the store's directory cannot be read.
    """
    with store.locked():
        targets = {target.name.lower(): target for target in (_find(store, name) for name in names)}
        users = _Users.of(store, frozenset(targets))
        return tuple(_remove(store, target, users) for target in targets.values())


def release_files(store: Store, files: Sequence[StoredFile]) -> Released:
    """Remove files that are ours and that no record uses any more. Raises NotWritable, DamagedRecord."""
    with store.locked():
        return _release_all(store, files, _Users.of(store, frozenset()))


def _find(store: Store, name: str) -> _Target:
    """The record of a name as it was typed, else of its canonical form."""
    for spelling in (name, _canonical(name)):
        try:
            record = store.find(spelling)
        except DamagedRecord:
            return _Target(spelling, None)
        if record is not None:
            return _Target(record.name, record)
    raise store.unknown(name)


def _canonical(name: str) -> str:
    try:
        parsed = parse_name(name)
    except G4RunError:
        return name
    if isinstance(parsed, DemoName):
        raise ModelNotFound(f"{DEMO} is built in and cannot be removed", "`g4run list` shows the names that can")
    return parsed.text


def _remove(store: Store, target: _Target, users: "_Users") -> Removal:
    """The files first: a removal that is interrupted can be repeated."""
    files = target.record.files if target.record else ()
    released = _release_all(store, files, users)
    store.remove(target.name)
    return Removal(target.name, released.freed_bytes, released.kept)


def _release_all(store: Store, files: Sequence[StoredFile], users: "_Users") -> Released:
    freed_bytes, kept = 0, []
    for file in files:
        try:
            freed, reason = _release(store, file, users)
        except OSError as error:
            raise explain_removal(error, file.path, store.settings.hub_cache) from error
        freed_bytes += freed
        if reason is not None:
            kept.append(KeptFile(file.path, reason))
    return Released(freed_bytes, tuple(kept))


def _release(store: Store, file: StoredFile, users: "_Users") -> tuple[int, str | None]:
    """The bytes freed, and why the file stays."""
    user = users.of_path(file.path)
    if user is not None:
        return 0, f"{user} uses it too" if os.path.lexists(file.path) else None
    if not file.origin.is_ours:
        return 0, _not_ours(store, file) if file.path.exists() else None
    if users.unreadable is not None:
        return 0, f"the record of {users.unreadable} cannot be read and may need it: g4run rm {users.unreadable}"
    if file.origin is Origin.COPIED:
        return _remove_copy(store, file.path)
    user = users.of_bytes(file.path)
    unlinked = unlink_snapshot_file(
        store.settings.hub_cache,
        file.path,
        sha256=file.sha256,
        blob_user=None if user is None else f"{user} uses it too",
    )
    return unlinked.freed_bytes, unlinked.kept


def _not_ours(store: Store, file: StoredFile) -> str:
    if file.origin is Origin.LINKED:
        return "it is your own file"
    if locate_in_snapshot(store.settings.hub_cache, file.path):
        return "it was in the Hugging Face cache before"
    return "it is another program's file"


def _remove_copy(store: Store, path: Path) -> tuple[int, str | None]:
    directory = store.settings.data_directory / COPIES
    if not path.parent.is_relative_to(directory) or path.parent == directory or ".." in path.parts:
        return 0, f"it is not in {directory}"
    size_bytes = file_size(path) or 0
    remove_copy(path)
    return size_bytes, None


@dataclass(frozen=True, slots=True)
class _Users:
    """Who else uses a file: names by path as it is stored, and by where its bytes really lie."""

    by_path: dict[str, str]
    by_bytes: dict[str, str]
    unreadable: str | None  # the name of a record that cannot be read

    @classmethod
    def of(cls, store: Store, removed: frozenset[str]) -> "_Users":
        """All records but those that are being removed, by their names in lower case."""
        by_path, by_bytes = dict[str, str](), dict[str, str]()
        records, damaged = store.read()
        for record in records:
            if record.name.lower() not in removed:
                for file in record.files:
                    by_path[_place(file.path)] = record.name
                    by_bytes[_real_place(file.path)] = record.name
        unreadable = next((entry.name for entry in damaged if entry.name.lower() not in removed), None)
        return cls(by_path, by_bytes, unreadable)

    def of_path(self, path: Path) -> str | None:
        """Who has this very path."""
        return self.by_path.get(_place(path))

    def of_bytes(self, path: Path) -> str | None:
        """Who has a path that leads to the same bytes."""
        return self.by_bytes.get(_real_place(path))


def _place(path: Path) -> str:
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a snapshot's link


def _real_place(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))
