"""One file of a pull, and where it comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from g4run.models.quantizations import FileRole

Source: TypeAlias = Literal["download", "cache", "elsewhere"]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file, and where it comes from; sizes in bytes."""

    role: FileRole
    repository: str
    commit: str
    path: str
    size_bytes: int
    sha256: str | None
    present_bytes: int  # of a download that was begun; all of it where nothing needs to be fetched
    source: Source
    where: Path | None  # the file that is here already
    reference: str | None = None  # the branch or tag that the commit was just listed as, which the cache may note
