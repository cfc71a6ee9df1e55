"""Check whether files are still what was downloaded or imported."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from g4run.errors import InvalidModelFile
from g4run.models.digest import sha256_of
from g4run.models.gguf.header import read_header
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Record, StoredFile


class FileStatus(StrEnum):
    """The result of checking a file."""

    OK = "ok"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    WRONG_SIZE = "wrong size"
    WRONG_DIGEST = "wrong digest"
    NO_DIGEST = "no digest known"
    DAMAGED = "damaged header"  # although size and digest are right, as far as known


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file of one name, and its result; `expected` and `actual` are sizes or digests."""

    name: str
    role: FileRole
    path: Path
    size_bytes: int
    status: FileStatus
    expected: str | None = None
    actual: str | None = None
    problem: str | None = None  # details, if there are any

    @property
    def is_good(self) -> bool:
        """Whether nothing wrong was found."""
        return self.status in (FileStatus.OK, FileStatus.NO_DIGEST)


Progress = Callable[[Record, StoredFile, int], None]


def verify(records: Iterable[Record], on_progress: Progress | None = None) -> Iterator[FileCheck]:
    """Hash the files of records and read their headers; read a file that several names share once.

    `on_progress` is told how many bytes of a file were read so far.
    """
    known: dict[tuple[Path, int, str | None], FileCheck] = {}
    for record in records:
        for file in record.files:
            key = (file.path, file.size_bytes, file.sha256)
            if key not in known:
                known[key] = _check(record, file, on_progress)
            yield replace(known[key], name=record.name, role=file.role)


def _check(record: Record, file: StoredFile, on_progress: Progress | None) -> FileCheck:
    check = FileCheck(record.name, file.role, file.path, file.size_bytes, FileStatus.OK)
    try:
        size_bytes = file.path.stat().st_size
        if size_bytes != file.size_bytes:
            return replace(check, status=FileStatus.WRONG_SIZE, expected=str(file.size_bytes), actual=str(size_bytes))
        digest = sha256_of(file.path, lambda done: on_progress(record, file, done) if on_progress else None)
        if file.sha256 is not None and digest != file.sha256:
            return replace(check, status=FileStatus.WRONG_DIGEST, expected=file.sha256, actual=digest)
        read_header(file.path)
    except FileNotFoundError:
        return replace(check, status=FileStatus.MISSING)
    except OSError as error:
        return replace(check, status=FileStatus.UNREADABLE, problem=error.strerror or str(error))
    except InvalidModelFile as error:
        return replace(check, status=FileStatus.DAMAGED, expected=file.sha256, actual=digest, problem=error.message)
    status = FileStatus.NO_DIGEST if file.sha256 is None else FileStatus.OK
    return replace(check, status=status, expected=file.sha256, actual=digest)
