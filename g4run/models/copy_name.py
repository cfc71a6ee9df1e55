"""Give a model a second name for the same files."""

import os
from pathlib import Path

from msgspec.structs import replace

from g4run.errors import UsageError
from g4run.models.library import Library
from g4run.models.names.parse import parse_custom_name
from g4run.models.store.records import Record, timestamp
from g4run.models.store.store import Store


def copy_name(store: Store, source: str, destination: str) -> Record:
    """Give a model a second name; copying it again changes nothing.

    Raises ModelNotFound for the source, UsageError if the new name is invalid, reserved, or taken, DamagedRecord if the
    entry of either is damaged, DiskFull, NotWritable.
    """
    name = parse_custom_name(destination).text
    with store.locked():
        record = _get(store, source)
        existing = store.find(name)
        if existing is not None:
            if _paths(existing) == _paths(record):
                return existing
            raise UsageError(f"{name} already names other files", f"g4run rm {name}, or choose another name")
        now = timestamp()
        copied = replace(record, name=name, created_at=now, modified_at=now)
        store.save(copied)
        return copied


def _get(store: Store, name: str) -> Record:
    """Return the record of a name as typed, or of what it means."""
    record = store.find(name)
    if record is not None:
        return record
    try:
        return Library(store.settings).get_record(name)
    except UsageError:  # not a valid name
        return store.get(name)


def _paths(record: Record) -> tuple[Path, ...]:
    return tuple(Path(os.path.abspath(file.path)) for file in record.files)  # noqa: PTH100 - links stay links
