"""Plan a pull: which files of which commit, what is on this machine already, and how much space is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from g4run.errors import DiskFull, InvalidModelFile
from g4run.files import free_bytes
from g4run.models.download.partial_file import present_bytes
from g4run.models.external.search import candidates_for
from g4run.models.gguf.architecture import inspect_architecture
from g4run.models.hub.client import Hub
from g4run.models.hub.remote_header import read_remote_header
from g4run.models.hub_cache.cache import file_size, list_cached_repository
from g4run.models.hub_cache.layout import HubCache
from g4run.models.library import Library
from g4run.models.pull.selection import Chosen, Selection, select_files
from g4run.models.pull.target import PullRequest, Target, find_target
from g4run.models.quantizations import FileRole
from g4run.models.remote_files import RemoteRepository
from g4run.models.store.usage import HEADERS
from g4run.units import render_bytes

ListRevision: TypeAlias = Callable[[str, str | None], RemoteRepository]

OTHERS = "`g4run list --available` lists models that g4run runs"
# A header of 16 MB is then at most a thirtieth of what a vain download would cost.
_LARGE_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file, and where it comes from."""

    role: FileRole
    repository: str
    commit: str
    path: str
    size_bytes: int
    sha256: str | None
    present_bytes: int  # on disk, from an earlier download; all of it if nothing needs to be downloaded
    source: Literal["download", "cache", "elsewhere"]
    where: Path | None  # the file on this machine
    reference: str | None = None  # the branch or tag that has this commit now, for the cache's refs


@dataclass(frozen=True, slots=True)
class PullPlan:
    """What a pull will do."""

    name: str
    repository: str
    commit: str
    requested_revision: str | None
    quantization: str | None
    files: tuple[PlannedFile, ...]
    free_bytes: int | None  # on the file system of the cache, if known
    cache_directory: Path
    notes: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def download_bytes(self) -> int:
        """How much must be downloaded."""
        return sum(file.size_bytes - file.present_bytes for file in self.files if file.source == "download")


def plan_pull(library: Library, hub: Hub, request: PullRequest) -> PullPlan:
    """Ask the Hub what a name means, and check what is on this machine.

    If the Hub's files differ from the catalog's, a note says so. Raises UsageError, ModelNotFound, NetworkError,
    Offline, and InvalidModelFile for a large file that is not in the catalog and not a Gemma 4.
    """
    target = find_target(library, request)
    is_offline = library.settings.is_offline
    list_repository: ListRevision = hub.list_repository
    if is_offline:
        list_repository = partial(list_cached_repository, library.settings.hub_cache)
    selection = _select(list_repository, target, request)
    repository = selection.repository
    parts = sum(chosen.role is FileRole.MODEL for chosen in selection.files)
    wanted = request.revision or target.revision or "main"
    files = []
    for chosen in selection.files:
        reference = wanted if chosen.repository == repository else "main"
        is_part = parts > 1 and chosen.role is FileRole.MODEL
        files.append(_plan_file(library, hub, chosen, None if is_offline else reference, is_part=is_part))
    if target.entry is None and not is_offline:
        _refuse_foreign(library, hub, files)
    return PullPlan(
        name=target.name,
        repository=repository.id,
        commit=repository.commit,
        requested_revision=request.revision or target.revision,
        quantization=selection.quantization,
        files=tuple(files),
        free_bytes=free_bytes(library.settings.hub_cache),
        cache_directory=library.settings.hub_cache,
        notes=selection.notes,
    )


def _refuse_foreign(library: Library, hub: Hub, files: Sequence[PlannedFile]) -> None:
    """Raise InvalidModelFile if a large file that must be downloaded is not a Gemma 4, by its header."""
    models = [file for file in files if file.role is FileRole.MODEL]
    is_begun = any(file.source != "download" or file.present_bytes for file in models)
    if is_begun or sum(file.size_bytes for file in models) < _LARGE_BYTES:
        return
    first, directory = models[0], library.settings.data_directory / HEADERS
    header = read_remote_header(hub, first.repository, first.commit, [file.path for file in models], directory).header
    try:
        inspect_architecture(header)
    except InvalidModelFile as error:
        raise InvalidModelFile(f"{first.path}: {error.message}", error.hint or OTHERS) from None


def check_space(plan: PullPlan) -> None:
    """Raise DiskFull if the downloads do not fit on the disk."""
    if plan.free_bytes is not None and plan.download_bytes > plan.free_bytes:
        raise DiskFull(
            f"{plan.name} needs {render_bytes(plan.download_bytes)} in {plan.cache_directory}, "
            f"which has {render_bytes(plan.free_bytes)} free",
            "free some space (`g4run list --space` shows what models use), or set HF_HOME to a larger disk",
        )


def _select(list_repository: ListRevision, target: Target, request: PullRequest) -> Selection:
    """Select the files at the wanted revision, with a note if they changed after the catalog was written."""
    wanted = request.revision or target.revision

    def list_main(other: str) -> RemoteRepository:
        return list_repository(other, None)

    selection = select_files(list_repository(target.repository, wanted), target, request, list_main)
    changed = "" if wanted is not None or target.entry is None else _unlike_the_catalog(selection)
    if not changed or target.entry is None:
        return selection
    pinned = target.entry.revision
    other = f"; `g4run pull {target.exact_name} --revision {pinned}` pulls the catalog's file" if pinned else ""
    note = f"{changed}: this pulls the newer file, verified by the Hub's digest{other}"
    return replace(selection, notes=(note, *selection.notes))


def _unlike_the_catalog(selection: Selection) -> str:
    """Return how the Hub's files differ from the catalog's; empty if they do not."""
    for chosen in selection.files:
        file, known = chosen.file, chosen.known
        if known is None:
            continue
        if known.sha256 is not None and file.sha256 is not None and known.sha256 != file.sha256:
            return f"{file.path} has sha256 {file.sha256[:12]}… on the Hub, {known.sha256[:12]}… in the catalog"
        if known.sha256 is None and known.size_bytes is not None and file.size_bytes != known.size_bytes:
            return f"{file.path} has {file.size_bytes} bytes on the Hub, {known.size_bytes} in the catalog"
    return ""


def _plan_file(library: Library, hub: Hub, chosen: Chosen, reference: str | None, *, is_part: bool) -> PlannedFile:
    """Find out whether a file is on this machine, by size and name: in the cache, or in another program's folder.

    llama.cpp needs the parts of a model in one directory, so parts are only taken from the cache.
    """
    repository, path = chosen.repository, chosen.file.path
    sha256, size_bytes = chosen.file.sha256, chosen.file.size_bytes
    etag, link = sha256, None
    if etag is None or size_bytes is None:
        link = hub.locate(repository.id, repository.commit, path)
        etag, size_bytes = link.etag, link.size_bytes
    cache = HubCache(library.settings.hub_cache)
    planned = PlannedFile(
        role=chosen.role,
        repository=repository.id,
        commit=repository.commit,
        path=path,
        size_bytes=size_bytes,
        sha256=sha256,
        present_bytes=present_bytes(cache.partial_path(repository.id, etag)),
        source="download",
        where=None,
        reference=reference,
    )
    for cached in (cache.pointer_path(repository.id, repository.commit, path), cache.blob_path(repository.id, etag)):
        if file_size(cached) == size_bytes:
            return replace(planned, source="cache", where=cached, present_bytes=size_bytes)
    found = () if is_part else candidates_for(library.settings, Path(path).name, size_bytes, sha256)
    if found:
        return replace(planned, source="elsewhere", where=found[0], present_bytes=size_bytes)
    if link is None:  # fails for a gated repository, before anything is downloaded
        hub.locate(repository.id, repository.commit, path)
    return planned
