"""Refresh the catalog: list every repository on the Hub and save the listings in the data directory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from g4run.errors import G4RunError, NetworkError, Offline
from g4run.files import write_atomically
from g4run.models.catalog.overlay import has_models, read_overlay, render_overlay
from g4run.models.catalog.source import REFRESHED_NAME, read_source
from g4run.models.quantizations import FileRole, role_of
from g4run.models.remote_files import RemoteRepository


@dataclass(frozen=True, slots=True)
class RefreshFailure:
    """A repository that did not answer or has no models; its earlier listing stays."""

    repository: str
    message: str


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """The result of a refresh."""

    path: Path
    refreshed_at: str
    refreshed: tuple[str, ...]  # repositories
    changed: tuple[str, ...]  # of these, the ones with a new commit since the last refresh, or refreshed first now
    failures: tuple[RefreshFailure, ...]


def refresh_catalog(data_directory: Path, list_repository: Callable[[str], RemoteRepository]) -> RefreshReport:
    """List every repository of the catalog and write <data>/catalog.json.

    A repository that fails keeps the listing of an earlier refresh. Raises NetworkError if all fail, NotWritable, and
    DiskFull; the file is unchanged then.
    """
    earlier, _ = read_overlay(data_directory)
    before = earlier.listings() if earlier else {}
    names = tuple(repository.id for repository in read_source().repositories)
    answers, errors = _ask(names, list_repository)
    if not answers:
        first = next(iter(errors.values()))
        raise NetworkError(f"cannot list any repository of the catalog: {first.message}", first.hint)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = before | answers
    path = data_directory / REFRESHED_NAME
    write_atomically(path, render_overlay(now, [kept[name] for name in names if name in kept]))
    return RefreshReport(
        path=path,
        refreshed_at=now,
        refreshed=tuple(answers),
        changed=tuple(name for name in answers if name not in before or before[name].commit != answers[name].commit),
        failures=tuple(RefreshFailure(name, error.message) for name, error in errors.items()),
    )


def _ask(
    names: tuple[str, ...], list_repository: Callable[[str], RemoteRepository]
) -> tuple[dict[str, RemoteRepository], dict[str, G4RunError]]:
    answers: dict[str, RemoteRepository] = {}
    errors: dict[str, G4RunError] = {}
    for name in names:
        try:
            repository = list_repository(name)
        except Offline:
            raise
        except G4RunError as error:
            errors[name] = error
            continue
        if has_models(repository):
            files = tuple(file for file in repository.files if role_of(file.path) is not FileRole.OTHER)
            answers[name] = RemoteRepository(name, repository.commit, files)
        else:
            errors[name] = NetworkError(f"{name} has no GGUF model files")
    return answers, errors
