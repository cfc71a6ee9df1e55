"""The files that `import --copy` copied into the data directory, hashed on the way."""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from g4run.errors import DiskFull
from g4run.models.digest import PIECE_BYTES
from g4run.models.store.files import TEMPORARY_SUFFIX, explain, patiently, remove_file
from g4run.models.store.records import ID_LENGTH
from g4run.units import render_bytes

COPIES = "files"  # below the data directory; in it one directory a model, named by the weights' digest

Progress = Callable[[Path, int], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy, and the digest of what was copied."""

    path: Path
    sha256: str


def copy_files(files: Sequence[Path], data_directory: Path, on_progress: Progress | None = None) -> tuple[Copied, ...]:
    """Copy a model's files, the first part first; whole or not at all.

    `on_progress` is told how many bytes of a file were copied so far. Raises DiskFull before the first byte and after,
    NotWritable; nothing is left then, nor after Ctrl-C.
    """
    directory = data_directory / COPIES
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _check_space(files, directory)
        return _copy_all(files, directory, on_progress)
    except OSError as error:
        raise explain(error, Path(error.filename or directory)) from error


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


def _check_space(files: Sequence[Path], directory: Path) -> None:
    needed, free = sum(path.stat().st_size for path in files), free_bytes(directory)
    if free is not None and needed > free:
        raise DiskFull(
            f"the copy takes {render_bytes(needed)}, but {directory} has room for {render_bytes(free)}",
            "import without --copy, which uses the file where it is",
        )


def _copy_all(files: Sequence[Path], directory: Path, on_progress: Progress | None) -> tuple[Copied, ...]:
    done: list[Copied] = []
    temporary = directory / f".{os.getpid()}-{time.monotonic_ns():x}{TEMPORARY_SUFFIX}"
    with contextlib.ExitStack() as undo:
        undo.callback(remove_file, temporary)
        for path in files:
            digest = _copy(path, temporary, on_progress)
            folder = directory / (done[0].sha256 if done else digest)[:ID_LENGTH]
            folder.mkdir(exist_ok=True)
            target = folder / path.name
            if not target.exists():
                undo.callback(remove_copy, target)
            _put(temporary, target)
            done.append(Copied(target, digest))
        undo.pop_all()
    return tuple(done)


def _put(temporary: Path, target: Path) -> None:
    patiently(lambda: temporary.replace(target))


def _copy(source: Path, target: Path, on_progress: Progress | None) -> str:
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        digest, done_bytes = hashlib.sha256(), 0
        while piece := reading.read(PIECE_BYTES):
            digest.update(piece)
            _write_all(writing, piece)
            done_bytes += len(piece)
            if on_progress is not None:
                on_progress(source, done_bytes)
        os.fsync(writing.fileno())
    return digest.hexdigest()


def _write_all(file: BinaryIO, piece: bytes) -> None:
    """Write a piece; without a buffer one call may take only a part."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
