"""Read and write files that several processes share, and translate file system errors."""

import contextlib
import errno
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from g4run.errors import DiskFull, G4RunError, ModelNotFound, NotWritable
from g4run.units import render_bytes

TEMPORARY_SUFFIX = ".tmp"
DATA, CACHE = "G4RUN_HOME", "HF_HOME"  # the variables that move the data directory and the Hugging Face cache
_NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG})
_RETRY_SECONDS = 2.0  # Windows refuses to replace a file while another process reads it

Result = TypeVar("Result")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees half of it, not even after kill -9. Raises DiskFull, NotWritable."""
    temporary = path.parent / f".{os.getpid()}-{os.urandom(8).hex()}{TEMPORARY_SUFFIX}"  # no other writer has it
    with translate_write_errors(path, DATA):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_through(temporary, content)
            retry_while_open(lambda: temporary.replace(path))
        finally:
            remove_file(temporary)
        _sync_directory(path.parent)


def read_shared(path: Path) -> bytes:
    """Read a file that another process may be replacing. Raises OSError."""
    return retry_while_open(path.read_bytes)


def remove_file(path: Path) -> None:
    """Remove a file if it exists. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        retry_while_open(path.unlink)


def sync_to_disk(descriptor: int) -> None:
    """Wait until the bytes of a file are on the disk."""
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - not on Windows; on macOS, fsync leaves the bytes in the drive's cache

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:  # not supported by network file systems
            os.fsync(descriptor)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def free_bytes(directory: Path) -> int | None:
    """Return the free space where a directory is, or would be created; None if unknown."""
    for path in (directory.absolute(), *directory.absolute().parents):
        try:
            return shutil.disk_usage(path).free
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
    return None


@contextlib.contextmanager
def translate_write_errors(path: Path, variable: str, size_bytes: int = 0) -> Iterator[None]:
    """Turn OSError into DiskFull or NotWritable; see `make_write_error`."""
    try:
        yield
    except OSError as error:
        raise make_write_error(error, path, variable, size_bytes) from error


def make_write_error(error: OSError, path: Path, variable: str, size_bytes: int = 0) -> G4RunError:
    """Return the error for a refused write; `variable` moves the directory, `size_bytes` is the size of a download."""
    if error.errno == errno.EFBIG and size_bytes:
        problem = f"the file system or a limit does not allow a file of {render_bytes(size_bytes)}: {path.parent}"
        return DiskFull(problem, f"set {variable} to a directory on another disk")
    if error.errno in _NO_ROOM:
        again = " to resume" if size_bytes else ""
        return DiskFull(f"the disk is full: {path.parent}", f"free some space and run the same command again{again}")
    problem = f"cannot write {path}: {error.strerror or error}"
    return NotWritable(problem, f"set {variable} to a writable directory")


def make_read_error(error: OSError, path: Path) -> ModelNotFound:
    """Return the error for a model file that cannot be read."""
    reason = error.strerror or str(error)
    return ModelNotFound(f"cannot read {path}: {reason}", "check the path and its permissions")


def retry_while_open(action: Callable[[], Result]) -> Result:
    """Retry what Windows refuses while another process has the file open."""
    end = time.monotonic() + (_RETRY_SECONDS if os.name == "nt" else 0)
    while True:
        try:
            return action()
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.02)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Put the new name on the disk; Windows cannot, and some file systems refuse."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
