"""The Hub listings of the last refresh, <data>/catalog.json, which override the built-in catalog.

{"version": 1, "refreshed_at": "…",
 "repositories": {"USER/REPO": {"commit": "…", "files": [{"path": "…", "size_bytes": 1, "sha256": "…"}]}}}
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace

from g4run.files import read_shared
from g4run.models.catalog.live import catalog_entries
from g4run.models.catalog.source import REFRESHED_NAME, ListedModel, Listing
from g4run.models.catalog.values import CompanionFile
from g4run.models.quantizations import FileRole, role_of
from g4run.models.remote_files import RemoteFile, RemoteRepository

VERSION = 1
Name = Annotated[str, msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Overlay:
    """The Hub's listings, and when they were refreshed (ISO 8601, UTC)."""

    refreshed_at: str
    repositories: tuple[RemoteRepository, ...]


class _Repository(msgspec.Struct):
    commit: Name
    files: tuple[RemoteFile, ...]


class _Document(msgspec.Struct):
    version: int
    refreshed_at: Name
    repositories: dict[Name, _Repository]


class _Version(msgspec.Struct):
    version: int


def read_overlay(data_directory: Path) -> tuple[Overlay | None, str | None]:
    """Return the refreshed listings, or None and why they are unusable; both None if nothing was refreshed."""
    path = data_directory / REFRESHED_NAME
    try:
        content = read_shared(path)
        if msgspec.json.decode(content, type=_Version).version > VERSION:
            return None, f"{path} is not used: a newer version of g4run wrote it"
        document = msgspec.json.decode(content, type=_Document)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, f"{path} is not used: it is damaged: {error}"
    found = document.repositories.items()
    return Overlay(
        document.refreshed_at, tuple(RemoteRepository(name, each.commit, each.files) for name, each in found)
    ), None


def render_overlay(overlay: Overlay) -> bytes:
    """Return the text of the file."""
    repositories = {each.id: _Repository(each.commit, each.files) for each in overlay.repositories}
    document = _Document(VERSION, overlay.refreshed_at, repositories)
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def without_other_files(repository: RemoteRepository) -> RemoteRepository:
    """Return the repository with only models, projectors, and drafters."""
    return replace(repository, files=tuple(file for file in repository.files if role_of(file.path) != FileRole.OTHER))


def has_models(repository: RemoteRepository) -> bool:
    """Return whether a repository has a model that the catalog can list."""
    entries = catalog_entries(repository)
    return any(file.quantization is not None and file.size_bytes is not None for file in entries)


def apply_overlay(listings: Iterable[Listing], overlay: Overlay) -> tuple[Listing, ...]:
    """Replace each built-in listing by the Hub's if that has any model."""
    live = {repository.id.lower(): repository for repository in overlay.repositories}
    return tuple(_refreshed(listing, live.get(listing.id.lower())) for listing in listings)


def _refreshed(listing: Listing, repository: RemoteRepository | None) -> Listing:
    models = _models(listing, repository) if repository else ()
    if repository is None or not models:
        return listing
    return replace(
        listing,
        models=models,
        projectors=_companions(listing, repository, FileRole.PROJECTOR),
        drafters=_companions(listing, repository, FileRole.DRAFTER),
    )


def _models(listing: Listing, repository: RemoteRepository) -> tuple[ListedModel, ...]:
    qualities = {model.quantization: model.quality for model in listing.models}
    return tuple(
        ListedModel(
            paths=file.paths,
            quantization=file.quantization,
            size_bytes=file.size_bytes,
            size_is_exact=True,
            path_is_confirmed=True,
            sha256=file.sha256,
            revision=repository.commit,
            quality=qualities.get(file.quantization),
        )
        for file in catalog_entries(repository)
        if file.quantization is not None and file.size_bytes is not None
    )


def _companions(listing: Listing, repository: RemoteRepository, role: FileRole) -> tuple[CompanionFile, ...]:
    return tuple(
        CompanionFile(listing.id, file.path, file.size_bytes, file.size_bytes is not None, file.sha256, True)
        for file in repository.files
        if role_of(file.path) is role
    )
