"""Carrying out a pull: fetch what is missing, check everything, and only then give it a name."""

from contextlib import ExitStack
from pathlib import Path

from g4run.errors import InvalidModelFile
from g4run.models.download.download import present_bytes
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.file_types import quantization_in
from g4run.models.gguf.header import GgufHeader, read_header
from g4run.models.gguf.loadable import check_loadable
from g4run.models.gguf.shards import read_model
from g4run.models.hub.client import Hub
from g4run.models.hub_cache.cache import file_size
from g4run.models.hub_cache.marks import Marks
from g4run.models.library import Library
from g4run.models.pull.fetching import Fetched, Fetching, Locks, PullObserver
from g4run.models.pull.files import PlannedFile
from g4run.models.pull.foresight import OTHERS
from g4run.models.pull.plan import PullPlan, check_space
from g4run.models.quantizations import FileRole
from g4run.models.store.records import timestamp
from g4run.models.store.removal import release_files
from g4run.models.store.store import Record, Summary

COMPANION_ARCHITECTURES = {FileRole.PROJECTOR: "clip", FileRole.DRAFTER: "gemma4-assistant"}
WITHOUT_COMPANION = {FileRole.PROJECTOR: "--no-projector leaves it out", FileRole.DRAFTER: "leave --drafter out"}


def execute_pull(library: Library, hub: Hub, plan: PullPlan, observer: PullObserver) -> Record:
    """Do what was planned and return the name's new record.

    Raises the plan's refusal and DiskFull before the first byte, and all that `transfer` raises; what came is kept for
    the next pull. Raises DigestMismatch or InvalidModelFile where the files are not what they should be: the name then
    stays as it was.
    """
    observer.planned(plan)
    if plan.refusal is not None:
        raise plan.refusal
    check_space(plan)
    with library.store.locked():  # a store that cannot be written is said before the first byte
        library.store.find(plan.name)
    marks = Marks(library.settings.data_directory)
    with ExitStack() as locks:  # held until the name exists: nobody takes the new files for abandoned ones
        held = Locks(hub, locks)
        fetched = [Fetching(library, hub, plan, file, observer, held).run() for file in plan.files]
        try:
            model, header = _check_files(fetched)
        except InvalidModelFile:
            locks.close()
            new = [file.stored for file in fetched if file.is_new]
            release_files(library.store, new)
            marks.clear(file.sha256 for file in new if file.sha256)
            raise
        with library.store.locked():
            before = library.store.find(plan.name)
            record = _make_record(plan, before, model, header, fetched)
            library.store.save(record)
        marks.clear(file.sha256 for file in record.files if file.sha256)
    if before is not None:
        release_files(library.store, before.files)
    return record


def downloaded_bytes(hub: Hub, plan: PullPlan) -> int:
    """What of a plan's downloads is kept on disk now, finished or not; for the person who stopped it."""
    return sum(_kept_bytes(hub, file) for file in plan.files if file.source == "download")


def _kept_bytes(hub: Hub, file: PlannedFile) -> int:
    if file.sha256 is None:
        return 0
    if file_size(hub.blob_path(file.repository, file.sha256)) == file.size_bytes:
        return file.size_bytes
    return present_bytes(hub.partial_path(file.repository, file.sha256))


def _check_files(fetched: list[Fetched]) -> tuple[Gemma4, GgufHeader]:
    """Read every header. Raises InvalidModelFile, naming the file."""
    paths = [file.stored.path for file in fetched if file.planned.role is FileRole.MODEL]
    try:
        header = read_model(paths)
        model = inspect_architecture(header)
        check_loadable(header)
    except InvalidModelFile as error:
        named = error.message if ".gguf" in error.message else f"{paths[0].name}: {error.message}"
        raise InvalidModelFile(named, error.hint or OTHERS) from None
    for file in fetched:
        if file.planned.role in COMPANION_ARCHITECTURES:
            _check_companion(file.stored.path, file.planned.role)
    return model, header


def _check_companion(path: Path, role: FileRole) -> None:
    wanted, hint = COMPANION_ARCHITECTURES[role], WITHOUT_COMPANION[role]
    try:
        found = read_header(path).metadata.get("general.architecture")
    except InvalidModelFile as error:
        raise InvalidModelFile(f"{path.name}: {error.message}", error.hint or hint) from None
    if found != wanted:
        raise InvalidModelFile(f"{path.name} holds the architecture {found!r}, not {wanted!r}", hint)


def _make_record(
    plan: PullPlan, before: Record | None, model: Gemma4, header: GgufHeader, fetched: list[Fetched]
) -> Record:
    now = timestamp()
    return Record(
        name=plan.name,
        files=tuple(file.stored for file in fetched),
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
