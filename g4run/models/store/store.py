"""The store of names: one small file for each name, written atomically and locked across processes.

Files: `<data>/models/<quoted name>.json`. Readers take no lock and never see half a file; writers hold
`<data>/models/.lock`. A file that cannot be read is reported, and does not affect the others.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

from g4run.errors import DamagedRecord, ModelNotFound, NotWritable
from g4run.files import (
    DATA,
    TEMPORARY_SUFFIX,
    read_shared,
    remove_file,
    translate_write_errors,
    write_atomically,
)
from g4run.models.store.format import parse_entry, render_entry
from g4run.models.store.records import DamagedEntry, Entry, Origin, Record, StoredFile, Summary
from g4run.settings import Settings
from g4run.suggestions import did_you_mean, find_similar
from g4run.units import render_bytes

__all__ = ["DamagedEntry", "Origin", "Record", "Store", "StoredFile", "Summary"]

SUFFIX = ".json"
LARGEST_RECORD_BYTES = 4 << 20  # a file takes about 500 bytes
LONGEST_FILE_NAME = 200  # characters, of the 255 bytes that file systems allow
_DIRECTORY_HINT = "move that directory away, then pull or import the model again"
# Names of devices on Windows, whatever stands behind the dot.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


class Store:
    """The names of this user; every method reads the disk."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = settings.data_directory / "models"

    def read(self) -> tuple[tuple[Record, ...], tuple[DamagedEntry, ...]]:
        """Return all complete models, last changed first, and all damaged entries, sorted by name.

        Raises DamagedRecord if the directory itself cannot be read.
        """
        entries, damaged = self.read_entries()
        records = (entry.record for entry in entries if entry.record is not None)
        return tuple(sorted(records, key=_modified, reverse=True)), damaged

    def read_entries(self) -> tuple[tuple[Entry, ...], tuple[DamagedEntry, ...]]:
        """Return all entries, including unfinished pulls, and all damaged ones, sorted by name."""
        found = sorted(self._read_all(), key=lambda item: item.name)
        entries = tuple(item for item in found if isinstance(item, Entry))
        return entries, tuple(item for item in found if isinstance(item, DamagedEntry))

    def records(self) -> tuple[Record, ...]:
        """Return all complete models, last changed first. Raises DamagedRecord as `read` does."""
        return self.read()[0]

    def find(self, name: str) -> Record | None:
        """Find the complete model of a name, in any case. Raises DamagedRecord if its entry is damaged."""
        entry = self.find_entry(name)
        return entry.record if entry else None

    def find_entry(self, name: str) -> Entry | None:
        """Find the entry of a name, in any case. Raises DamagedRecord if it is damaged."""
        try:
            found = self._read(self.path_of(name))
        except UnicodeEncodeError:
            return None
        if isinstance(found, DamagedEntry):
            raise DamagedRecord(
                f"cannot read the record of {name}: {found.problem} ({found.path})",
                _repair_hint(found.path, name),
            )
        return found

    def find_pulling(self, name: str) -> tuple[StoredFile, ...]:
        """Return which files an unfinished pull of a name downloads. Raises DamagedRecord."""
        entry = self.find_entry(name)
        return entry.pulling if entry else ()

    def get(self, name: str) -> Record:
        """Return the complete model of a name. Raises ModelNotFound with similar names, DamagedRecord."""
        record = self.find(name)
        if record is None:
            raise self.unknown(name)
        return record

    def unknown(self, name: str) -> ModelNotFound:
        """Return the error for a name that is not in the store."""
        near = find_similar(name, (record.name for record in self.records()))
        return ModelNotFound(f"there is no model named {name}", did_you_mean(near, "`g4run list` shows the names"))

    def save(self, record: Record) -> None:
        """Replace the entry of a name with a complete model. Raises DiskFull, NotWritable."""
        self._save(Entry(record.name, record))

    def save_pulling(self, name: str, files: Iterable[StoredFile]) -> None:
        """Record which files a pull downloads for a name, and keep its complete model; no files end the pull.

        Of several files at one path, the last counts. Raises DamagedRecord, DiskFull, NotWritable.
        """
        files = tuple({file.path: file for file in files}.values())
        with self.locked():
            entry = self.find_entry(name) or Entry(name, None)
            if entry.record is None and not files:
                self.remove(name)
            elif entry.pulling != files:
                self._save(Entry(entry.name, entry.record, files))

    def remove(self, name: str) -> None:
        """Remove the entry of a name, even a damaged one, and keep its files. Raises NotWritable."""
        path = self.path_of(name)
        with self.locked():
            if path.is_dir() and not path.is_symlink():
                raise NotWritable(f"{path} is a directory, not the record of a model", _DIRECTORY_HINT)
            with translate_write_errors(path, DATA):
                remove_file(path)

    def _save(self, entry: Entry) -> None:
        with self.locked():
            for left in self.directory.glob(f".*{TEMPORARY_SUFFIX}"):  # by killed writers
                with suppress(OSError):
                    left.unlink()
            write_atomically(self.path_of(entry.name), render_entry(entry, self.settings))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing the store; may be nested. Raises NotWritable."""
        from filelock import FileLock  # noqa: PLC0415 - it imports asyncio, and only who writes needs it

        path = self.directory / ".lock"
        with translate_write_errors(path, DATA):
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, is_singleton=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def path_of(self, name: str) -> Path:
        """Return the path of a name's file, which may not exist."""
        return self.directory / file_name_of(name)

    def _read_all(self) -> Iterator[Entry | DamagedEntry]:
        try:
            names = os.listdir(self.directory)  # noqa: PTH208 - half the time of iterdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DamagedRecord(
                f"{self.directory} cannot be read: {error.strerror}", "check its permissions"
            ) from error
        for name in names:
            if name.endswith(SUFFIX):
                found = self._read(self.directory / name)
                if found is not None:
                    yield found

    def _read(self, path: Path) -> Entry | DamagedEntry | None:
        name = unquote(path.name.removesuffix(SUFFIX))
        try:
            entry = parse_entry(_content(path), self.settings)
            if path.name != file_name_of(entry.name):
                raise DamagedRecord(f"it is the record of {entry.name}")
        except FileNotFoundError:
            return None
        except DamagedRecord as error:
            return DamagedEntry(path, name, error.message)
        except (OSError, UnicodeEncodeError) as error:
            return DamagedEntry(path, name, f"it cannot be read: {getattr(error, 'strerror', None) or error}")
        return entry


def file_name_of(name: str) -> str:
    """Return the file name for a model: its name in lower case, quoted so that every file system accepts it."""
    quoted = quote(name.lower(), safe="")
    if quoted.partition(".")[0] in _DEVICES:
        quoted = f"%{ord(quoted[0]):02X}{quoted[1:]}"
    if len(quoted) > LONGEST_FILE_NAME:
        import hashlib  # noqa: PLC0415 - takes 4 ms, and few names are long

        digest = hashlib.sha256(quoted.encode("ascii")).hexdigest()
        quoted = f"{quoted[: LONGEST_FILE_NAME - 17]}-{digest[:16]}"
    return quoted + SUFFIX


def _repair_hint(path: Path, name: str) -> str:
    if path.is_dir():
        return _DIRECTORY_HINT
    if path.is_file() and not os.access(path, os.R_OK):
        return "check its permissions"
    return f"g4run rm {name}, then pull or import it again"


def _content(path: Path) -> bytes:
    """Read the file of an entry. Raises OSError, and DamagedRecord for a file that cannot be one."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DamagedRecord("it is not a regular file")
    if status.st_size > LARGEST_RECORD_BYTES:
        raise DamagedRecord(f"it is too large for a record: {render_bytes(status.st_size)}")
    return read_shared(path)


def _modified(record: Record) -> datetime:
    return datetime.fromisoformat(record.modified_at)
