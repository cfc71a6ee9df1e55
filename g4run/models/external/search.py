"""Find models of other programs on this machine: LM Studio, Ollama, and users of the Hugging Face cache."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from g4run.errors import InvalidModelFile, ModelNotFound
from g4run.models.digest import sha256_of
from g4run.models.external.lm_studio import lm_studio_directories, lm_studio_files
from g4run.models.external.ollama import ollama_blob, ollama_directories, ollama_models
from g4run.models.gguf.architecture import ARCHITECTURE
from g4run.models.gguf.header import read_header
from g4run.models.gguf.loadable import check_loadable
from g4run.models.gguf.shards import read_model, shard_paths
from g4run.models.hub_cache.cache import cached_gguf_files, file_size
from g4run.models.quantizations import FileRole, role_of, shard_of
from g4run.settings import Settings

Place: TypeAlias = Literal["LM Studio", "Ollama", "Hugging Face cache"]


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A Gemma 4 of another program; `path` is its first part, `sha256` is unverified."""

    origin: Place
    name: str  # in that program
    path: Path
    size_bytes: int  # all parts
    sha256: str | None
    problem: str | None  # why g4run cannot load it


@dataclass(frozen=True, slots=True)
class ExternalModels:
    """The result of a search."""

    models: tuple[FoundModel, ...]
    other_count: int  # other families, and files that are not models


def search_external(settings: Settings) -> ExternalModels:
    """Find the Gemma 4 models of other programs, and count their other files; reads every header."""
    models, other_count, seen = [], 0, set[str]()
    for candidate in _candidates(settings):
        real = os.path.realpath(candidate.path)
        if real not in seen:
            seen.add(real)
            found = _inspect(candidate)
            if found is not None:
                models.append(found)
            else:
                other_count += 1
    return ExternalModels(tuple(models), other_count)


def find_same_file(
    settings: Settings,
    file_name: str,
    size_bytes: int,
    sha256: str | None,
    on_progress: Callable[[int], None] | None = None,
) -> Path | None:
    """Find the same file in another program's folder, or in another repository of the cache.

    Every candidate is hashed, whatever its name claims; without a digest nothing can be found. `on_progress` is told
    how many bytes of a candidate were read so far.
    """
    for path in candidates_for(settings, file_name, size_bytes, sha256):
        with suppress(OSError):
            if sha256_of(path, on_progress) == sha256:
                return path
    return None


def candidates_for(settings: Settings, file_name: str, size_bytes: int, sha256: str | None) -> tuple[Path, ...]:
    """Return files of the right size that may be the same, the most likely first, without hashing them."""
    found: dict[str, Path] = {}
    for path in _likely_places(settings, file_name, sha256) if sha256 else ():
        if file_size(path) == size_bytes:
            found.setdefault(os.path.realpath(path), path)
    return tuple(found.values())


def is_external(settings: Settings, path: Path) -> bool:
    """Whether a path is in another program's folder."""
    places = (*lm_studio_directories(settings), *ollama_directories(settings), settings.hub_cache)
    return any(path.is_relative_to(place) for place in places)


def lm_studio_repository(settings: Settings, path: Path) -> str | None:
    """Return USER/REPOSITORY of a file in one of LM Studio's folders."""
    for directory in lm_studio_directories(settings):
        if path.is_relative_to(directory):
            parts = path.relative_to(directory).parts
            return "/".join(parts[:2]) if len(parts) == 3 else None
    return None


def _candidates(settings: Settings) -> Iterator[FoundModel]:
    for path, name in lm_studio_files(settings):
        if _is_first_part(path.name):
            yield FoundModel("LM Studio", name, path, 0, None, None)
    for path, name, sha256 in ollama_models(settings):
        yield FoundModel("Ollama", name, path, 0, sha256, None)
    for file in cached_gguf_files(settings.hub_cache):
        if _is_first_part(file.repository_path):
            name = f"hf.co/{file.repository}/{file.repository_path}"
            yield FoundModel("Hugging Face cache", name, file.path, 0, file.sha256, None)


def _likely_places(settings: Settings, file_name: str, sha256: str) -> Iterator[Path]:
    """Yield where the file may be, the most likely places first."""
    for directory in ollama_directories(settings):
        yield ollama_blob(directory, sha256)
    cached = cached_gguf_files(settings.hub_cache)
    for file in cached:
        if file.sha256 == sha256:
            yield file.path
    for path, _ in lm_studio_files(settings):
        if path.name.lower() == file_name.lower():
            yield path
    for file in cached:  # without links, no blob name shows the digest
        if file.sha256 is None and file.path.name.lower() == file_name.lower():
            yield file.path


def _is_first_part(file_name: str) -> bool:
    shard = shard_of(Path(file_name).name)
    return role_of(file_name) is FileRole.MODEL and (shard is None or shard[1] == 1)


def _inspect(candidate: FoundModel) -> FoundModel | None:
    """Return the model with its size and problem; None if it is not a Gemma 4."""
    try:
        header = read_header(candidate.path)
        if header.metadata.get("general.architecture") != ARCHITECTURE:
            return None
    except (OSError, InvalidModelFile):
        return None
    paths: tuple[Path, ...] = (candidate.path,)
    problem = None
    try:
        paths = shard_paths(candidate.path)
        if len(paths) > 1:
            header = read_model(paths)
        check_loadable(header)
    except (InvalidModelFile, ModelNotFound) as error:
        problem = error.message
    except OSError as error:
        problem = f"it cannot be read: {error.strerror or error}"
    size_bytes = sum(file_size(path) or 0 for path in paths)
    return replace(candidate, size_bytes=size_bytes, problem=problem)
