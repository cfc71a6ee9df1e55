"""Whole files that came by a pull which was stopped before its name existed: ours, and no name needs them."""

from g4run.models.hub_cache.cache import CachedFile, cached_gguf_files
from g4run.models.hub_cache.marks import Marks
from g4run.models.quantizations import role_of
from g4run.models.store.records import Origin, StoredFile
from g4run.models.store.removal import Released, release_files
from g4run.models.store.store import Store


def abandoned_files(store: Store) -> tuple[CachedFile, ...]:
    """What the cache has of them; a pull that is still running has such files too. Raises DamagedRecord."""
    marks = Marks(store.settings.data_directory)
    digests = marks.digests()
    if not digests:
        return ()
    used = {file.sha256 for record in store.records() for file in record.files}
    return tuple(
        file
        for file in cached_gguf_files(store.settings.hub_cache)
        if file.sha256 in digests and file.sha256 not in used and marks.has(file.sha256, file.path)
    )


def release_abandoned(store: Store, file: CachedFile) -> Released:
    """Remove one, unless a living process is at it. Raises NotWritable, DamagedRecord."""
    stored = StoredFile(
        role=role_of(file.repository_path),
        path=file.path,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        origin=Origin.DOWNLOADED,
        repository=file.repository,
        commit=file.commit,
        repository_path=file.repository_path,
    )
    released = release_files(store, [stored])
    if not released.kept and file.sha256 is not None:
        Marks(store.settings.data_directory).clear([file.sha256])
    return released
