"""Partial files as they lie on the disk between two transfers; imports nothing of the network."""

from contextlib import suppress
from pathlib import Path

from g4run.models.download.journal import read_journal


def journal_path(partial: Path) -> Path:
    """Where the journal of a partial file lies."""
    return partial.with_name(partial.name.removesuffix(".incomplete") + ".journal")


def present_bytes(partial: Path) -> int:
    """How much of the file a transfer need not fetch again; 0 too where nothing can be read."""
    with suppress(OSError):
        recorded = read_journal(journal_path(partial))
        if recorded and partial.stat().st_size == recorded.identity.size_bytes:
            return sum(end - start for start, end in recorded.present)
    return 0
