"""Carry out a pull: download what is missing, check all files, and only then complete the name's record."""

from contextlib import ExitStack
from pathlib import Path

from g4run.errors import InvalidModelFile
from g4run.models.download.partial_file import present_bytes
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.file_types import quantization_in
from g4run.models.gguf.header import GgufHeader, read_header
from g4run.models.gguf.loadable import check_loadable
from g4run.models.gguf.shards import read_model
from g4run.models.hub.client import Hub
from g4run.models.hub_cache.cache import file_size
from g4run.models.hub_cache.layout import HubCache
from g4run.models.library import Library
from g4run.models.pull.fetching import Fetcher, PullObserver
from g4run.models.pull.plan import OTHERS, PullPlan, check_space
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Entry, timestamp
from g4run.models.store.removal import arrived_files, release_files
from g4run.models.store.store import Record, StoredFile, Summary

COMPANION_ARCHITECTURES = {FileRole.PROJECTOR: "clip", FileRole.DRAFTER: "gemma4-assistant"}
WITHOUT_COMPANION = {FileRole.PROJECTOR: "pull without it: --no-projector", FileRole.DRAFTER: "leave --drafter out"}


def execute_pull(library: Library, hub: Hub, plan: PullPlan, observer: PullObserver) -> Record:
    """Carry out a plan and return the new record of its name.

    Raises DiskFull before the first byte, and what `download` raises, which keeps what has arrived for the next pull.
    Raises DigestMismatch or InvalidModelFile for wrong files; the name then stays as it was.
    """
    observer.planned(plan)
    check_space(plan)
    store = library.store
    with ExitStack() as locks:  # held until the record is complete, so that no process removes the new files
        fetcher = Fetcher(library, hub, plan, observer, locks)
        fetcher.begin()  # fails before the first byte if the store is not writable
        files = [fetcher.fetch(file) for file in plan.files]
        try:
            model, header = _check_files(files)
        except InvalidModelFile:
            locks.close()
            release_files(store, fetcher.new)
            store.save_pulling(plan.name, ())
            raise
        with store.locked():
            before = store.find_entry(plan.name) or Entry(plan.name, None)
            unused = (*(before.record.files if before.record else ()), *arrived_files(store, before))
            record = _make_record(plan, before.record, model, header, files)
            store.save(record)
    release_files(store, unused)
    return record


def downloaded_bytes(plan: PullPlan) -> int:
    """Return how much of a plan's downloads is on disk, complete or not."""
    cache, total_bytes = HubCache(plan.cache_directory), 0
    for file in plan.files:
        if file.source == "download" and file.sha256 is not None:
            is_complete = file_size(cache.blob_path(file.repository, file.sha256)) == file.size_bytes
            partial_file = cache.partial_path(file.repository, file.sha256)
            total_bytes += file.size_bytes if is_complete else present_bytes(partial_file)
    return total_bytes


def _check_files(files: list[StoredFile]) -> tuple[Gemma4, GgufHeader]:
    """Read and check every header. Raises InvalidModelFile, which names the file."""
    paths = [file.path for file in files if file.role is FileRole.MODEL]
    try:
        header = read_model(paths)
        model = inspect_architecture(header)
        check_loadable(header)
    except InvalidModelFile as error:
        named = error.message if ".gguf" in error.message else f"{paths[0].name}: {error.message}"
        raise InvalidModelFile(named, error.hint or OTHERS) from None
    for file in files:
        if file.role in COMPANION_ARCHITECTURES:
            _check_companion(file.path, file.role)
    return model, header


def _check_companion(path: Path, role: FileRole) -> None:
    wanted, hint = COMPANION_ARCHITECTURES[role], WITHOUT_COMPANION[role]
    try:
        found = read_header(path).metadata.get("general.architecture")
    except InvalidModelFile as error:
        raise InvalidModelFile(f"{path.name}: {error.message}", error.hint or hint) from None
    if found != wanted:
        raise InvalidModelFile(f"{path.name} has architecture {found!r}, not {wanted!r}", hint)


def _make_record(
    plan: PullPlan, before: Record | None, model: Gemma4, header: GgufHeader, files: list[StoredFile]
) -> Record:
    now = timestamp()
    return Record(
        name=plan.name,
        files=tuple(files),
        summary=Summary(
            size_label=model.size_label,
            parameters=model.parameters,
            context_length=model.context_length,
            quantization=plan.quantization or quantization_in(header) or "unknown",
            has_thinking=model.has_thinking,
        ),
        repository=plan.repository,
        commit=plan.commit,
        requested_revision=plan.requested_revision,
        created_at=before.created_at if before else now,
        modified_at=now,
    )
