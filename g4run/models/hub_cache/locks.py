"""The locks that huggingface_hub and g4run hold on a blob while they download it."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MODE = 0o664  # huggingface_hub's, so that other users of a shared cache can lock too


def lock_path(repository_directory: Path, etag: str) -> Path:
    """Return the file that is locked while a blob is downloaded."""
    return repository_directory.parent / ".locks" / repository_directory.name / f"{etag}.lock"


@contextmanager
def blob_lock(repository_directory: Path, etag: str, on_wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold a blob's lock. If another process has it, call `on_wait` and wait; without `on_wait`, yield False.

    Raises OSError.
    """
    path = lock_path(repository_directory, etag)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(path, on_wait) as is_held:
        yield is_held


def is_any_locked(repository_directory: Path) -> bool:
    """Whether a process is downloading into a repository."""
    for path in _lock_files(repository_directory):
        with _held(path) as is_held:
            if not is_held:
                return True
    return False


def remove_locks(repository_directory: Path) -> None:
    """Remove the lock files of a repository that is gone, except those that another process holds.

    Each is removed while we hold it: a process that waits for it notices that, and creates a new one.
    """
    with contextlib.suppress(OSError):
        for path in _lock_files(repository_directory):
            with _held(path) as is_held:
                if is_held:
                    path.unlink()  # Windows refuses, and an empty file does no harm
        lock_path(repository_directory, "any").parent.rmdir()


def _lock_files(repository_directory: Path) -> list[Path]:
    return list(lock_path(repository_directory, "any").parent.glob("*.lock"))


@contextmanager
def _held(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[bool]:
    from filelock import FileLock, Timeout  # noqa: PLC0415 - imports asyncio

    lock = FileLock(path, mode=_MODE)
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=0)
    if not lock.is_locked and on_wait is not None:
        on_wait()
        lock.acquire()
    try:
        yield lock.is_locked
    finally:
        lock.release()
