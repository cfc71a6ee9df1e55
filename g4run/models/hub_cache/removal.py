"""Remove one file from the Hugging Face cache, and keep everything else usable.

The order is huggingface_hub's: links before blobs, references before snapshots. Whenever the process is killed, no link
leads nowhere, and no reference names a snapshot that is gone.
"""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from g4run.files import remove_file, retry_while_open
from g4run.models.hub_cache.cache import (
    STRAY_PREFIX,
    SnapshotPlace,
    blob_of,
    file_size,
    is_same_file,
    locate_in_snapshot,
    snapshot_files,
)
from g4run.models.hub_cache.locks import blob_lock, is_any_locked, lock_path, remove_locks

BEING_FETCHED = "another process is downloading it"
# Notes of huggingface_hub's about a repository, worth nothing without its files.
_NOTES = (".no_exist", "trees")
_ASIDE = ".g4run-removed"  # beside the locks, where scanners do not take it for a damaged repository


@dataclass(frozen=True, slots=True)
class Unlinked:
    """What removing a snapshot's file freed; `kept` is why its bytes stay, if they do."""

    freed_bytes: int
    kept: str | None = None


def unlink_snapshot_file(
    hub_cache: Path, pointer: Path, *, sha256: str | None = None, blob_user: str | None = None
) -> Unlinked:
    """Remove a file from its snapshot, and its bytes unless something else needs them.

    `sha256` finds the bytes whose link an earlier, interrupted removal took; `blob_user` says who else uses them.
    Raises OSError where the file system refuses.
    """
    place = locate_in_snapshot(hub_cache, pointer)
    if place is None:
        return Unlinked(0, f"it is not in the cache at {hub_cache}")
    blob = _find_blob(place, pointer, sha256)
    if blob is None:  # an interrupted removal may have left directories
        tidy_repository(place.directory)
        return Unlinked(0)
    with blob_lock(place.directory, blob.name if blob != pointer else sha256 or blob.name) as is_held:
        if not is_held:
            return Unlinked(0, BEING_FETCHED)
        unlinked = _unlink(place, pointer, blob, blob_user)
    tidy_repository(place.directory)
    return unlinked


def tidy_repository(directory: Path) -> None:
    """Remove empty snapshots, the refs to them, and a repository that is empty.

    Nothing is done while a process fetches something into it: its empty snapshot is about to be filled.
    """
    if not directory.is_dir() or is_any_locked(directory):
        return
    snapshots = directory / "snapshots"
    for snapshot in snapshots.iterdir() if snapshots.is_dir() else ():
        if snapshot.is_dir() and _is_empty(snapshot):
            _remove_refs(directory / "refs", snapshot.name)
            _remove_empty(snapshot)
    if _is_empty(snapshots) and _is_empty(directory / "blobs"):
        _remove_repository(directory)


def _find_blob(place: SnapshotPlace, pointer: Path, sha256: str | None) -> Path | None:
    if pointer.is_symlink() or pointer.is_file():
        return blob_of(pointer)
    blob = place.directory / "blobs" / (sha256 or "-")
    return blob if blob.is_file() else None


def _unlink(place: SnapshotPlace, pointer: Path, blob: Path, blob_user: str | None) -> Unlinked:
    size_bytes = file_size(blob) or 0
    is_shared = blob.is_symlink()  # a file shared between repositories (HF_HUB_DISABLE_SHARED_BLOBS)
    remove_file(pointer)
    if blob == pointer:
        return Unlinked(size_bytes)
    if blob_user is not None:
        return Unlinked(0, blob_user)
    if any(blob_of(other) == blob for _, other in snapshot_files(place.directory)):
        return Unlinked(0, f"another revision of {place.repository} uses it")
    if blob.parent != place.directory / "blobs" and not is_same_file(blob.parent, place.directory / "blobs"):
        return Unlinked(0, "its data is outside the cache")
    remove_file(blob)
    return Unlinked(0, "the cache shares it between repositories") if is_shared else Unlinked(size_bytes)


def _is_empty(directory: Path) -> bool:
    """Whether a directory contains no files, at any depth."""
    return not any(names for _, _, names in os.walk(directory))


def _remove_empty(directory: Path) -> None:
    """Remove a directory that contains only empty directories."""
    for folder, _, _ in os.walk(directory, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _remove_refs(refs: Path, commit: str) -> None:
    for folder, _, names in os.walk(refs, topdown=False):
        for name in names:
            path = Path(folder) / name
            with contextlib.suppress(UnicodeDecodeError):
                if path.read_text("ascii").strip() == commit:
                    retry_while_open(path.unlink)
        if Path(folder) != refs:
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _remove_repository(directory: Path) -> None:
    """Remove a repository without files; keep it, still valid, if it contains anything unknown."""
    known = {"blobs", "refs", "snapshots", *_NOTES}
    unknown = [entry for entry in directory.iterdir() if entry.name not in known]
    if not all(entry.name.startswith(STRAY_PREFIX) for entry in unknown) or not _is_empty(directory / "refs"):
        return
    aside = lock_path(directory, "any").with_name(_ASIDE)
    with contextlib.suppress(OSError):  # Windows refuses if a file in it is open: it stays, empty and valid
        shutil.rmtree(aside, ignore_errors=True)
        aside.parent.mkdir(parents=True, exist_ok=True)
        directory.rename(aside)
        if not (_is_empty(aside / "snapshots") and _is_empty(aside / "blobs")):
            aside.rename(directory)  # another process was faster
            return
        shutil.rmtree(aside, ignore_errors=True)
        remove_locks(directory)
