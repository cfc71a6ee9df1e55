"""The Hub listings of the last refresh, <data>/catalog.json, which override the built-in catalog.

{"version": 1, "refreshed_at": "…",
 "repositories": {"USER/REPO": {"commit": "…", "files": [{"path": "…", "size_bytes": 1, "sha256": "…"}]}}}
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace

from g4run.files import read_shared
from g4run.models.catalog.live import catalog_entries
from g4run.models.catalog.source import REFRESHED_NAME, Listing
from g4run.models.catalog.values import CompanionFile, ListedModel
from g4run.models.quantizations import FileRole, role_of
from g4run.models.remote_files import RemoteFile, RemoteRepository

VERSION = 1
Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Version(msgspec.Struct):
    version: int


class _Repository(msgspec.Struct):
    commit: Name
    files: tuple[RemoteFile, ...]


class Overlay(_Version):
    """The contents of the file: the Hub's listings, and when they were refreshed (ISO 8601, UTC)."""

    refreshed_at: Name
    repositories: dict[Name, _Repository]

    def listings(self) -> dict[str, RemoteRepository]:
        """Return the repositories by name."""
        return {name: RemoteRepository(name, each.commit, each.files) for name, each in self.repositories.items()}


def read_overlay(data_directory: Path) -> tuple[Overlay | None, str | None]:
    """Return the refreshed listings, or None and why they are unusable; both None if nothing was refreshed."""
    path = data_directory / REFRESHED_NAME
    try:
        content = read_shared(path)
        if msgspec.json.decode(content, type=_Version).version > VERSION:
            return None, f"{path} is not used: a newer version of g4run wrote it"
        return msgspec.json.decode(content, type=Overlay), None
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, f"{path} is not used: it is damaged: {error}"


def render_overlay(refreshed_at: str, repositories: Iterable[RemoteRepository]) -> bytes:
    """Return the text of the file."""
    overlay = Overlay(VERSION, refreshed_at, {each.id: _Repository(each.commit, each.files) for each in repositories})
    return msgspec.json.format(msgspec.json.encode(overlay), indent=1) + b"\n"


def has_models(repository: RemoteRepository) -> bool:
    """Return whether a repository has a model that the catalog can list."""
    entries = catalog_entries(repository)
    return any(file.quantization is not None and file.size_bytes is not None for file in entries)


def apply_overlay(listings: Iterable[Listing], overlay: Overlay) -> tuple[Listing, ...]:
    """Replace each built-in listing by the Hub's if that has any model."""
    live = {name.lower(): repository for name, repository in overlay.listings().items()}
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
