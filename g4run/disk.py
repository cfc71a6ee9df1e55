"""Writing that lasts, and what the file system refuses as errors that a person can act on."""

import errno
import os
import sys
from pathlib import Path

from g4run.errors import DiskFull, G4RunError, NotWritable
from g4run.units import render_bytes

_NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


def sync_to_disk(descriptor: int) -> None:
    """Wait until a file's bytes are on the disk itself, not merely on the way to it."""
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - not on Windows; fsync leaves the bytes in the drive's own cache here

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:  # a network's file system knows it not
            os.fsync(descriptor)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def explain_refusal(error: OSError, path: Path, size_bytes: int) -> G4RunError:
    """The error for a person when the file system refuses to write a file of that size."""
    if error.errno in _NO_ROOM:
        hint = "free some space and run the same command again; what came is kept"
        return DiskFull(f"the disk is full: {path.parent}", hint)
    if error.errno == errno.EFBIG:
        problem = f"the file system or a limit allows no file of {render_bytes(size_bytes)}: {path.parent}"
        return DiskFull(problem, "set HF_HOME to a directory on another disk")
    problem = f"cannot write {path}: {error.strerror or error}"
    return NotWritable(problem, "set HF_HOME to a directory that can be written")
