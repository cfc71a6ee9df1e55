"""Give a name to a GGUF file on this machine; the file stays where it is."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace

from g4run.errors import InvalidModelFile, ModelNotFound, UsageError
from g4run.files import make_read_error
from g4run.models.digest import sha256_of
from g4run.models.external.search import is_external, lm_studio_repository
from g4run.models.gguf.file_types import quantization_in
from g4run.models.gguf.header import read_header
from g4run.models.gguf.shards import shard_paths
from g4run.models.hub_cache.cache import file_size, locate_in_snapshot
from g4run.models.library import ModelFile, expand_path, open_file
from g4run.models.names.parse import MAX_CUSTOM_NAME_LENGTH, parse_custom_name
from g4run.models.quantizations import FileRole, quantization_of, role_of, shard_of
from g4run.models.store.records import Origin, Record, StoredFile, Summary, timestamp
from g4run.models.store.store import Store

_NAME_HINT = "choose another name: --name my-gemma"

Progress: TypeAlias = Callable[[Path, int], None]


@dataclass(frozen=True, slots=True)
class _Part:
    """A file to import."""

    role: FileRole
    path: Path
    size_bytes: int
    modified: float  # seconds since 1970


def import_file(store: Store, path: Path, name: str | None = None, *, on_progress: Progress | None = None) -> Record:
    """Give a file a name, together with its other parts and the one projector beside it.

    `on_progress` receives how many bytes of a file were read. Importing the same file under the same name again
    changes nothing. Raises ModelNotFound, also for a file that disappears, InvalidModelFile, UsageError for a name
    that is taken, DamagedRecord, DiskFull, NotWritable.
    """
    model = open_file(str(path), Path(os.path.abspath(expand_path(str(path)))))  # noqa: PTH100 - links stay links
    chosen = parse_custom_name(name).text if name is not None else _derive_name(model.path)
    parts = _parts_of(model)
    before = store.find(chosen)
    if before is not None and _is_same(before, chosen, parts, on_progress):
        return before
    record = _make_record(chosen, model, _describe_all(store, parts, on_progress), before)
    with store.locked():
        now = store.find(record.name)
        if now is not None and now != before and now.digest != record.digest:
            raise _taken(record.name, now)
        for file in record.files:
            if file_size(file.path) != file.size_bytes:
                raise ModelNotFound(f"{file.path} changed while it was being read", "run the same command again")
        store.save(record)
    return record


def _parts_of(model: ModelFile) -> tuple[_Part, ...]:
    parts = [_part(FileRole.MODEL, path) for path in shard_paths(model.path)]
    projector = _find_projector(model.path.parent)
    if projector is not None:
        parts.append(_part(FileRole.PROJECTOR, projector))
    return tuple(parts)


def _part(role: FileRole, path: Path) -> _Part:
    try:
        status = path.stat()
    except OSError as error:
        raise make_read_error(error, path) from error
    return _Part(role, path, status.st_size, status.st_mtime)


def _find_projector(directory: Path) -> Path | None:
    """Find the projector in a directory; None unless there is exactly one."""
    try:
        found = [path for path in directory.iterdir() if role_of(path.name) is FileRole.PROJECTOR and path.is_file()]
        if len(found) != 1 or read_header(found[0]).metadata.get("general.architecture") != "clip":
            return None
    except (OSError, InvalidModelFile):
        return None
    return found[0]


def _derive_name(path: Path) -> str:
    """Make a name from a file name: its stem in lower case, with - for characters that names cannot have.

    File names such as gemma-4-E4B-it-Q4_K_M.gguf look like names of the catalog; they get the prefix my-.
    """
    shard = shard_of(path.name)
    stem = shard[0] if shard else path.stem
    name = re.sub(r"[^a-z0-9._-]+", "-", stem.lower(), flags=re.ASCII).strip("-._")
    if not name:
        raise UsageError(f"cannot make a name from {path.name}", _NAME_HINT)
    try:
        return parse_custom_name(name[:MAX_CUSTOM_NAME_LENGTH]).text
    except UsageError:
        return parse_custom_name(f"my-{name}"[:MAX_CUSTOM_NAME_LENGTH]).text


def _is_same(before: Record, name: str, parts: Sequence[_Part], on_progress: Progress | None) -> bool:
    """Whether the record of a name is still right. Raises UsageError if the name is another model's."""
    weights = [part for part in parts if part.role is FileRole.MODEL]
    if [part.path for part in weights] == [file.path for file in before.model_files]:
        return _is_untouched(before, parts)
    if [part.size_bytes for part in weights] != [file.size_bytes for file in before.model_files]:
        raise _taken(name, before)
    if before.digest is not None and _hash(weights[0].path, on_progress) != before.digest:
        raise _taken(name, before)
    return all(file_size(file.path) == file.size_bytes for file in before.files)


def _is_untouched(before: Record, parts: Sequence[_Part]) -> bool:
    """Whether the files have not changed since the record was written."""
    known = {file.path: file for file in before.files}
    written = datetime.fromisoformat(before.modified_at).timestamp()
    return len(known) == len(parts) and all(
        part.path in known and known[part.path].size_bytes == part.size_bytes and part.modified < written
        for part in parts
    )


def _taken(name: str, record: Record) -> UsageError:
    return UsageError(f"{name} is already the name of another file: {record.path}", _NAME_HINT)


def _hash(path: Path, on_progress: Progress | None) -> str:
    try:
        return sha256_of(path, lambda done: on_progress(path, done) if on_progress else None)
    except OSError as error:
        raise make_read_error(error, path) from error


def _describe_all(store: Store, parts: Sequence[_Part], on_progress: Progress | None) -> tuple[StoredFile, ...]:
    known = {file.path: file for record in store.records() for file in record.files if file.origin.is_ours}
    return tuple(_describe(store, part, _hash(part.path, on_progress), known.get(part.path)) for part in parts)


def _describe(store: Store, part: _Part, sha256: str, ours: StoredFile | None) -> StoredFile:
    """Describe a file by its place; a file that we downloaded stays ours under another name.

    A repository name is recorded only if it is printable: any program may have created the folders.
    """
    if ours is not None:
        return replace(ours, role=part.role, size_bytes=part.size_bytes, sha256=sha256)
    linked = StoredFile(part.role, part.path, part.size_bytes, sha256, Origin.LINKED)
    place = locate_in_snapshot(store.settings.hub_cache, part.path)
    if place is not None and f"{place.repository}{place.commit}{place.repository_path}".isprintable():
        return replace(
            linked,
            origin=Origin.FOUND,
            repository=place.repository,
            commit=place.commit,
            repository_path=place.repository_path,
        )
    repository = lm_studio_repository(store.settings, part.path)
    if repository is not None and f"{repository}{part.path.name}".isprintable():
        return replace(linked, origin=Origin.FOUND, repository=repository, repository_path=part.path.name)
    return replace(linked, origin=Origin.FOUND) if is_external(store.settings, part.path) else linked


def _make_record(name: str, model: ModelFile, files: tuple[StoredFile, ...], before: Record | None) -> Record:
    now = timestamp()
    return Record(
        name=name,
        files=files,
        summary=Summary(
            size_label=model.architecture.size_label,
            parameters=model.architecture.parameters,
            context_length=model.architecture.context_length,
            quantization=quantization_of(model.path.name) or quantization_in(model.header) or "unknown",
            has_thinking=model.architecture.has_thinking,
        ),
        repository=files[0].repository,
        commit=files[0].commit,
        requested_revision=None,
        created_at=before.created_at if before else now,
        modified_at=now,
    )
