"""The files that `import --copy` copied into the data directory, hashed on the way."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from g4run.errors import DiskFull
from g4run.files import explain, explain_unreadable, patiently, remove_file, temporary_in
from g4run.models.digest import PIECE_BYTES
from g4run.models.store.records import ID_LENGTH
from g4run.units import render_bytes

COPIES = "files"  # below the data directory; in it one directory a model, named by the weights' digest

Progress = Callable[[Path, int], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy under a temporary name, where it is to lie, and the digest of what was copied."""

    temporary: Path
    path: Path
    sha256: str


@contextlib.contextmanager
def copied(
    files: Sequence[Path], data_directory: Path, on_progress: Progress | None = None
) -> Iterator[tuple[Copied, ...]]:
    """Copies of a model's files, the first part first, that are gone at the end unless `placed` gave them their names.

    `on_progress` is told how many bytes of a file were copied so far. Raises ModelNotFound where a file cannot be read,
    DiskFull before the first byte and after, NotWritable; nothing is left then, nor after Ctrl-C.
    """
    directory = data_directory / COPIES
    with contextlib.ExitStack() as temporaries:
        needed_bytes = sum(_size_of(path) for path in files)
        with _explained(directory):
            directory.mkdir(parents=True, exist_ok=True)
            _check_space(needed_bytes, directory)
        done: list[Copied] = []
        for path in files:
            temporary = temporary_in(directory)
            temporaries.callback(remove_file, temporary)  # which is not there any more once it has its name
            digest = _copy(path, temporary, on_progress)
            folder = directory / (done[0].sha256 if done else digest)[:ID_LENGTH]
            done.append(Copied(temporary, folder / path.name, digest))
        yield tuple(done)


@contextlib.contextmanager
def placed(copies: Sequence[Copied]) -> Iterator[None]:
    """Gives copies their names; takes those back that were not there before, unless the body succeeds.

    Only under the store's lock, together with the record that names them: else another process, which has the same
    copies or removes them, would decide about ours. Raises DiskFull, NotWritable.
    """
    with contextlib.ExitStack() as undo:
        for each in copies:
            with _explained(each.path):
                each.path.parent.mkdir(exist_ok=True)
                if not each.path.exists():
                    undo.callback(remove_copy, each.path)
                _put(each)
        yield
        undo.pop_all()


def free_bytes(directory: Path) -> int | None:
    """What is free on the file system that a directory, which need not exist yet, is or will be on; None if unknown."""
    for path in (directory.absolute(), *directory.absolute().parents):
        try:
            return shutil.disk_usage(path).free
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
    return None


def remove_copy(path: Path) -> None:
    """Remove a copy if it is there, and its directory unless others lie in it. Raises OSError."""
    remove_file(path)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def _check_space(needed_bytes: int, directory: Path) -> None:
    free = free_bytes(directory)
    if free is not None and needed_bytes > free:
        raise DiskFull(
            f"the copy takes {render_bytes(needed_bytes)}, but {directory} has room for {render_bytes(free)}",
            "import without --copy, which uses the file where it is",
        )


def _put(copy: Copied) -> None:
    patiently(lambda: copy.temporary.replace(copy.path))


def _copy(source: Path, target: Path, on_progress: Progress | None) -> str:
    """Copy a file and return its digest; an error says which of the two sides it is about."""
    digest, done_bytes = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        with _explained(target.parent):
            writing = stack.enter_context(target.open("wb", buffering=0))
        for piece in _pieces(source):
            digest.update(piece)
            with _explained(target.parent):
                _write_all(writing, piece)
            done_bytes += len(piece)
            if on_progress is not None:
                on_progress(source, done_bytes)
        with _explained(target.parent):
            os.fsync(writing.fileno())
    return digest.hexdigest()


def _pieces(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb", buffering=0) as reading:
            while piece := reading.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        raise explain_unreadable(error, source) from error


def _size_of(source: Path) -> int:
    try:
        return source.stat().st_size
    except OSError as error:
        raise explain_unreadable(error, source) from error


def _write_all(file: BinaryIO, piece: bytes) -> None:
    """Write a piece; without a buffer one call may take only a part."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What the file system refuses to write, as an error for a person."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error
