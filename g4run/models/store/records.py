"""What the store knows about a model: its name, its files, and a summary for lists."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from g4run.models.digest import Sha256
from g4run.models.quantizations import FileRole

ID_LENGTH = 12  # hexadecimal digits


class Origin(StrEnum):
    """Where a file comes from, which decides whether removing the name may remove it."""

    DOWNLOADED = "downloaded"  # by us, into the Hugging Face cache
    FOUND = "found"  # another program's, used in place
    LINKED = "linked"  # your own, used in place
    COPIED = "copied"  # by g4run 0.1.0, into the data directory

    @property
    def is_ours(self) -> bool:
        """Whether g4run created the file, and may remove it."""
        return self in (Origin.DOWNLOADED, Origin.COPIED)


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a model; in the Hugging Face cache, `path` is in the snapshot.

    A pull records `modified_ns` when it has downloaded the file; it differs if another program downloads the same file
    later.
    """

    role: FileRole
    path: Path
    size_bytes: Annotated[int, Meta(ge=0)]
    sha256: Sha256 | None
    origin: Origin
    repository: str | None = None
    commit: str | None = None
    repository_path: str | None = None
    modified_ns: int | None = None

    def is_at(self, path: Path) -> bool:
        """Whether the file at a path is the one that a pull downloaded."""
        try:
            return self.modified_ns == path.stat().st_mtime_ns
        except OSError:
            return False

    @property
    def hub_place(self) -> tuple[str, str] | None:
        """Repository and path on the Hub; None if the file is not from the Hub."""
        if self.repository is None or self.repository_path is None:
            return None
        return self.repository, self.repository_path


class Summary(msgspec.Struct, frozen=True):
    """What lists show about a model without reading its header."""

    size_label: str
    parameters: int
    context_length: int
    quantization: str
    has_thinking: bool


class Record(msgspec.Struct, frozen=True):
    """A name and its model; times are ISO 8601 in UTC."""

    name: str
    files: tuple[StoredFile, ...]
    summary: Summary
    repository: str | None
    commit: str | None
    requested_revision: str | None
    created_at: str
    modified_at: str

    @property
    def model_files(self) -> tuple[StoredFile, ...]:
        """The files of the weights, in order."""
        return tuple(file for file in self.files if file.role is FileRole.MODEL)

    @property
    def path(self) -> Path:
        """The first file of the weights, which is the one to load."""
        return self.model_files[0].path

    @property
    def projector(self) -> StoredFile | None:
        """The file for images and sound."""
        return next((file for file in self.files if file.role is FileRole.PROJECTOR), None)

    @property
    def drafter(self) -> StoredFile | None:
        """The file that drafts tokens."""
        return next((file for file in self.files if file.role is FileRole.DRAFTER), None)

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str | None:
        """The sha256 of the weights, or of their first part."""
        return self.model_files[0].sha256

    @property
    def name_on_hub(self) -> str | None:
        """The name that pulls the weights; None if they are not from the Hub."""
        place = self.model_files[0].hub_place
        if place is None:
            return None
        return self.name if self.name.startswith(("gemma4:", "hf.co/")) else f"hf.co/{'/'.join(place)}"

    @property
    def id(self) -> str:
        """Twelve digits that identify the weights; names of the same weights share them."""
        if self.digest is not None:
            return self.digest[:ID_LENGTH]
        import hashlib  # noqa: PLC0415 - takes 4 ms, and most records have a digest

        return hashlib.sha256(self.name.encode()).hexdigest()[:ID_LENGTH]


class Entry(msgspec.Struct, frozen=True):
    """What the store knows about a name: a complete model, the files of a pull that has not ended, or both."""

    name: str
    record: Record | None
    pulling: tuple[StoredFile, ...] = ()


class DamagedEntry(msgspec.Struct, frozen=True):
    """A file of the store that this version cannot read."""

    path: Path
    name: str
    problem: str


def timestamp() -> str:
    """Return the current time as records store it."""
    return datetime.now(UTC).isoformat()
