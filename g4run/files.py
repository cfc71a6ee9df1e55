"""Writing and reading small files that several processes share: whole or not at all, also after kill -9."""

import contextlib
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from g4run.disk import explain_refusal
from g4run.errors import DiskFull, G4RunError, ModelNotFound, NotWritable

TEMPORARY_SUFFIX = ".tmp"
NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG})
NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})
_PATIENCE_SECONDS = 2.0  # Windows refuses to replace a file while another process reads it

Result = TypeVar("Result")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees half of it. Raises DiskFull, NotWritable."""
    temporary = temporary_in(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_through(temporary, content)
            patiently(lambda: temporary.replace(path))
        finally:
            remove_file(temporary)  # which is not there any more once it has its name
        _sync_directory(path.parent)
    except OSError as error:
        raise explain(error, path) from error


def temporary_in(directory: Path) -> Path:
    """A name that no other writer chooses: clocks are coarse on Windows, and two containers may have the same pid."""
    return directory / f".{os.getpid()}-{os.urandom(8).hex()}{TEMPORARY_SUFFIX}"


def read_shared(path: Path) -> bytes:
    """The content of a file that may be replaced meanwhile. Raises OSError."""
    return patiently(path.read_bytes)


def remove_file(path: Path) -> None:
    """Remove a file if it is there. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        patiently(path.unlink)


def remove_temporaries(directory: Path) -> None:
    """Remove what writers that were killed left behind; only under the directory's lock."""
    for path in directory.glob(f".*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(OSError):
            path.unlink()


def explain(error: OSError, path: Path) -> G4RunError:
    """The error for a person, of what the file system refused to write at a path."""
    if error.errno in NO_ROOM:
        return DiskFull(f"the disk is full: {path.parent}", "free some space and run the same command again")
    reason = error.strerror or str(error)
    hint = "check its permissions"
    if error.errno in NO_PERMISSION:
        hint = "make it writable, or set G4RUN_HOME to a directory that is"
    return NotWritable(f"cannot write {path}: {reason}", hint)


def explain_removal(error: OSError, path: Path, hub_cache: Path) -> G4RunError:
    """The error for a person, of what could not be removed in the Hugging Face cache or in the data directory."""
    return explain_refusal(error, path, 0) if path.is_relative_to(hub_cache) else explain(error, path)


def explain_unreadable(error: OSError, path: Path) -> ModelNotFound:
    """The error for a person, of a model's file that cannot be read."""
    reason = error.strerror or str(error)
    return ModelNotFound(f"{path} cannot be read: {reason}", "check the path and its permissions")


def patiently(action: Callable[[], Result]) -> Result:
    """Do what Windows refuses for the moment in which another process has the file open."""
    end = time.monotonic() + (_PATIENCE_SECONDS if os.name == "nt" else 0)
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
    """Put the new name on the disk too; Windows has no such call, and some file systems refuse it."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
