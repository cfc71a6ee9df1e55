"""The locks that huggingface_hub and we hold on a blob while we fetch it, asked for without waiting."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MODE = 0o664  # huggingface_hub's own, so that other users of a shared cache can lock too


def lock_path(repository_directory: Path, etag: str) -> Path:
    """The file that is locked while a blob is fetched."""
    return repository_directory.parent / ".locks" / repository_directory.name / f"{etag}.lock"


@contextmanager
def blob_lock(repository_directory: Path, etag: str) -> Iterator[bool]:
    """Hold a blob's lock; yields False at once where a living process has it. Raises OSError."""
    path = lock_path(repository_directory, etag)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(path) as is_held:
        yield is_held


def is_any_locked(repository_directory: Path) -> bool:
    """Whether a living process is fetching anything into a repository."""
    directory = lock_path(repository_directory, "any").parent
    for path in directory.glob("*.lock") if directory.is_dir() else ():
        with _held(path) as is_held:
            if not is_held:
                return True
    return False


def remove_locks(repository_directory: Path) -> None:
    """Remove the lock files of a repository that is gone, except those that a living process holds.

    Only a file that we hold is removed: who waits for it notices that it is gone, and makes a new one.
    """
    directory = lock_path(repository_directory, "any").parent
    with contextlib.suppress(OSError):
        for path in directory.glob("*.lock"):
            with _held(path) as is_held:
                if is_held:
                    path.unlink()  # Windows refuses; the empty file does no harm
        directory.rmdir()


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    from filelock import FileLock, Timeout  # noqa: PLC0415 - it imports asyncio, and only removal needs it

    lock = FileLock(path, mode=_MODE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
