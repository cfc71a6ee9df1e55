"""What a refresh kept of the Hub's listings, <data>/catalog.json, laid over the built-in catalog.

{"version": 1, "refreshed_at": "…",
 "repositories": {"USER/REPO": {"commit": "…", "files": [{"path": "…", "size_bytes": 1, "sha256": "…"}]}}}
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from g4run.files import read_shared
from g4run.models.catalog.live import catalog_entries
from g4run.models.catalog.source import ListedModel, Listing
from g4run.models.catalog.values import CompanionFile
from g4run.models.digest import is_sha256
from g4run.models.quantizations import FileRole, role_of
from g4run.models.remote_files import RemoteFile, RemoteRepository

VERSION = 1
FILE_NAME = "catalog.json"


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the Hub listed, and when it was asked (ISO 8601, UTC)."""

    refreshed_at: str
    repositories: tuple[RemoteRepository, ...]


class _Damaged(Exception):
    """The file does not hold what a refresh writes."""


def read_overlay(data_directory: Path) -> tuple[Overlay | None, str | None]:
    """What was refreshed, or None with the reason why it is not used; both None where nothing was refreshed."""
    path = data_directory / FILE_NAME
    try:
        return _parse(json.loads(read_shared(path).decode())), None
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror}"
    except _Damaged as error:
        return None, f"{path} is not used: {error}"
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested without end
        return None, f"{path} is not used: it is damaged"


def render_overlay(overlay: Overlay) -> str:
    """The text of the file."""
    repositories = {
        repository.id: {
            "commit": repository.commit,
            "files": [
                {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256} for file in repository.files
            ],
        }
        for repository in overlay.repositories
    }
    document = {"version": VERSION, "refreshed_at": overlay.refreshed_at, "repositories": repositories}
    return json.dumps(document, indent=1) + "\n"


def useful_files(repository: RemoteRepository) -> RemoteRepository:
    """The repository with nothing but what a catalog needs."""
    return replace(repository, files=tuple(file for file in repository.files if role_of(file.path) != FileRole.OTHER))


def has_models(repository: RemoteRepository) -> bool:
    """Whether a repository holds a model that the catalog can list."""
    entries = catalog_entries(repository)
    return any(file.quantization is not None and file.size_bytes is not None for file in entries)


def apply_overlay(listings: Iterable[Listing], overlay: Overlay) -> tuple[Listing, ...]:
    """The built-in listings, each replaced by the Hub's own where that holds any model."""
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


def _parse(document: object) -> Overlay:
    version = _member(document, "version")
    if isinstance(version, int) and version > VERSION:
        raise _Damaged("a newer version of g4run wrote it")
    repositories = _member(document, "repositories")
    if version != VERSION or not isinstance(repositories, dict):
        raise _Damaged("it is damaged")
    return Overlay(
        _text(_member(document, "refreshed_at")),
        tuple(_parse_repository(_text(name), value) for name, value in repositories.items()),
    )


def _parse_repository(name: str, value: object) -> RemoteRepository:
    files = _member(value, "files")
    if not isinstance(files, list):
        raise _Damaged("it is damaged")
    return RemoteRepository(name, _text(_member(value, "commit")), tuple(_parse_file(file) for file in files))


def _parse_file(value: object) -> RemoteFile:
    size, sha256 = _member(value, "size_bytes"), _member(value, "sha256")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise _Damaged("it is damaged")
    if sha256 is not None and (not isinstance(sha256, str) or not is_sha256(sha256)):
        raise _Damaged("it is damaged")
    return RemoteFile(_text(_member(value, "path")), size, sha256)


def _member(value: object, name: str) -> object:
    if not isinstance(value, dict) or name not in value:
        raise _Damaged("it is damaged")
    member: object = value[name]
    return member


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _Damaged("it is damaged")
    return value
