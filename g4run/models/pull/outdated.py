"""Find models with newer files on the Hub, by comparing files rather than commits."""

from collections.abc import Sequence
from dataclasses import dataclass

from g4run.models.hub.client import Hub
from g4run.models.library import Library
from g4run.models.pull.target import place_of
from g4run.models.remote_files import RemoteFile, RemoteRepository
from g4run.models.store.store import Record, StoredFile


@dataclass(frozen=True, slots=True)
class OutdatedModel:
    """The files of a name, compared with the Hub's at the requested revision."""

    name: str
    repository: str
    current_commit: str
    newest_commit: str
    changed: tuple[str, ...]  # paths of files that differ or are gone

    @property
    def is_outdated(self) -> bool:
        """Whether any file in use has changed."""
        return bool(self.changed)


def find_outdated(library: Library, hub: Hub, names: Sequence[str] = ()) -> tuple[OutdatedModel, ...]:
    """Compare the named models, or all that were pulled, with the Hub.

    Raises ModelNotFound, NetworkError, and UsageError for a name that did not come from the Hub.
    """
    records = [library.get_record(name) for name in names] or list(library.store.records())
    for record in records if names else ():
        place_of(record)
    listings: dict[tuple[str, str], RemoteRepository] = {}
    found = []
    for record in records:
        if record.repository is None or record.commit is None:
            continue
        place = (record.repository, record.requested_revision or "main")
        if place not in listings:
            listings[place] = hub.list_repository(*place)
        found.append(_compare(record, record.repository, record.commit, listings[place]))
    return tuple(found)


def _compare(record: Record, repository: str, commit: str, newest: RemoteRepository) -> OutdatedModel:
    changed = []
    for file in record.files:
        if file.repository == repository and file.repository_path is not None:
            now = newest.find(file.repository_path)
            if now is None or not _is_same(file, now):
                changed.append(file.repository_path)
    return OutdatedModel(record.name, repository, commit, newest.commit, tuple(changed))


def _is_same(file: StoredFile, now: RemoteFile) -> bool:
    if now.sha256 is None or file.sha256 is None:
        return now.size_bytes in (None, file.size_bytes)
    return now.sha256 == file.sha256
