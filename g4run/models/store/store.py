"""What is on disk under which name: one small file a name, written atomically, locked across processes.

Files: `<data>/models/<quoted name>.json`. Readers take no lock and never see half a file; whoever changes something
holds `<data>/models/.lock`. A file that cannot be read is reported and stands in nobody's way.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

from g4run.errors import DamagedRecord, ModelNotFound, NotWritable
from g4run.files import explain, read_shared, remove_file, remove_temporaries, write_atomically
from g4run.models.store.format import parse_record, render_record
from g4run.models.store.records import DamagedEntry, Origin, Record, StoredFile, Summary
from g4run.settings import Settings
from g4run.suggestions import did_you_mean, find_similar
from g4run.units import render_bytes

__all__ = ["DamagedEntry", "Origin", "Record", "Store", "StoredFile", "Summary"]

SUFFIX = ".json"
LARGEST_RECORD_BYTES = 4 << 20  # a file takes about 500
LONGEST_FILE_NAME = 200  # characters, of the 255 bytes that file systems allow
_DIRECTORY_HINT = "move that directory away, then pull or import the model again"
# Names of devices on Windows, whatever stands behind the dot.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


class Store:
    """The names that a person has; every method reads the disk anew."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = settings.data_directory / "models"

    def read(self) -> tuple[tuple[Record, ...], tuple[DamagedEntry, ...]]:
        """All records, the one changed last first, and all that cannot be read, by name.

        Raises DamagedRecord where the directory itself cannot be read.
        """
        found = tuple(self._read_all())
        records = sorted((item for item in found if isinstance(item, Record)), key=lambda record: record.name)
        damaged = sorted((item for item in found if isinstance(item, DamagedEntry)), key=lambda entry: entry.name)
        return tuple(sorted(records, key=_modified, reverse=True)), tuple(damaged)

    def records(self) -> tuple[Record, ...]:
        """All that can be read, the one changed last first. Raises DamagedRecord as `read` does."""
        return self.read()[0]

    def damaged(self) -> tuple[DamagedEntry, ...]:
        """All that cannot be read, by name. Raises DamagedRecord as `read` does."""
        return self.read()[1]

    def find(self, name: str) -> Record | None:
        """The record of a name, in any case. Raises DamagedRecord where it is there but cannot be read."""
        try:
            found = self._read(self.path_of(name))
        except UnicodeEncodeError:
            return None
        if isinstance(found, DamagedEntry):
            raise DamagedRecord(
                f"what the store knows about {name} cannot be read: {found.problem} ({found.path})",
                _repair_hint(found.path, name),
            )
        return found

    def get(self, name: str) -> Record:
        """The record of a name. Raises ModelNotFound with the nearest names, DamagedRecord."""
        record = self.find(name)
        if record is None:
            raise self.unknown(name)
        return record

    def unknown(self, name: str) -> ModelNotFound:
        """The error for a name that the store does not have."""
        near = find_similar(name, (record.name for record in self.records()))
        return ModelNotFound(f"there is no model named {name}", did_you_mean(near, "`g4run list` shows the names"))

    def save(self, record: Record) -> None:
        """Write a record, in the place of the one of that name. Raises DiskFull, NotWritable."""
        with self.locked():
            remove_temporaries(self.directory)
            write_atomically(self.path_of(record.name), render_record(record, self.settings))

    def remove(self, name: str) -> None:
        """Forget a name, readable or not; its files stay. Raises NotWritable."""
        path = self.path_of(name)
        with self.locked():
            if path.is_dir() and not path.is_symlink():
                raise NotWritable(f"{path} is a directory, not the record of a model", _DIRECTORY_HINT)
            try:
                remove_file(path)
            except OSError as error:
                raise explain(error, path) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other processes from changing the store meanwhile; may be nested. Raises NotWritable."""
        from filelock import FileLock  # noqa: PLC0415 - it imports asyncio, and only who writes needs it

        path = self.directory / ".lock"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, is_singleton=True)
            lock.acquire()
        except OSError as error:
            raise explain(error, path) from error
        try:
            yield
        finally:
            lock.release()

    def path_of(self, name: str) -> Path:
        """The file of a name's record, which need not exist."""
        return self.directory / file_name_of(name)

    def _read_all(self) -> Iterator[Record | DamagedEntry]:
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

    def _read(self, path: Path) -> Record | DamagedEntry | None:
        name = unquote(path.name.removesuffix(SUFFIX))
        try:
            record = parse_record(_content(path), self.settings)
            if path.name != file_name_of(record.name):
                raise DamagedRecord(f"it is the record of {record.name}")
        except FileNotFoundError:
            return None
        except DamagedRecord as error:
            return DamagedEntry(path, name, error.message)
        except (OSError, UnicodeEncodeError) as error:
            return DamagedEntry(path, name, f"it cannot be read: {getattr(error, 'strerror', None) or error}")
        return record


def file_name_of(name: str) -> str:
    """The name of a record's file: the model's, in lower case and quoted, so that every file system takes it."""
    quoted = quote(name.lower(), safe="")
    if quoted.partition(".")[0] in _DEVICES:
        quoted = f"%{ord(quoted[0]):02X}{quoted[1:]}"
    if len(quoted) > LONGEST_FILE_NAME:
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
    """The bytes of a record's file. Raises OSError, and DamagedRecord for what no record can be."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DamagedRecord("it is no regular file")
    if status.st_size > LARGEST_RECORD_BYTES:
        raise DamagedRecord(f"it has {render_bytes(status.st_size)}, too many for a record")
    return read_shared(path)


def _modified(record: Record) -> datetime:
    return datetime.fromisoformat(record.modified_at)
