"""Render what the store knows about a name as the text of a file, and parse it.

{"version": 1, "name": …, "files": [{"role": …, "place": "hub_cache", "path": …, …}], "summary": {…}, …, "pulling": […]}

`files` and the rest of a record exist once a model is complete, `pulling` while a pull of the name has not ended. Paths
below the Hugging Face cache or the data directory are stored relative to it, so that either may move. Unknown fields
are ignored.
"""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from g4run.errors import DamagedRecord
from g4run.models.store.records import Entry, Record, StoredFile
from g4run.settings import Settings

VERSION = 1

Decoded = TypeVar("Decoded")


class _Place(StrEnum):
    """What a stored path is relative to."""

    HUB_CACHE = "hub_cache"
    DATA = "data"
    ABSOLUTE = "absolute"


class _Placed(msgspec.Struct):
    place: _Place


class _Places(msgspec.Struct):
    version: int
    files: tuple[_Placed, ...] = ()
    pulling: tuple[_Placed, ...] = ()


class _Pull(msgspec.Struct):
    name: str
    pulling: tuple[StoredFile, ...] = ()


def render_entry(entry: Entry, settings: Settings) -> bytes:
    """Render the text of an entry's file."""
    document: dict[str, object] = {"version": VERSION, "name": entry.name}
    if (record := entry.record) is not None:
        summary = record.summary
        shown = replace(
            summary, size_label=_printable(summary.size_label), quantization=_printable(summary.quantization)
        )
        document |= msgspec.to_builtins(replace(record, summary=shown), enc_hook=str)
        document["files"] = [_render_file(file, settings) for file in record.files]
    if entry.pulling:
        document["pulling"] = [_render_file(file, settings) for file in entry.pulling]
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def parse_entry(content: bytes, settings: Settings) -> Entry:
    """Parse the text of an entry's file. Raises DamagedRecord without the name of the file."""
    try:
        decoded: object = json.loads(content)  # unlike msgspec, it accepts file names in any encoding
    except (ValueError, RecursionError):
        raise DamagedRecord("it is not JSON") from None
    if isinstance(decoded, dict) and isinstance(version := decoded.get("version"), int) and version > VERSION:
        raise DamagedRecord(f"it was written by a newer version of g4run (format {version})")
    places, pull = _convert(decoded, _Places), _convert(decoded, _Pull)
    entry = Entry(pull.name, None, _located(pull.pulling, places.pulling, settings))
    if places.files:
        record = _convert(decoded, Record)
        entry = replace(entry, record=replace(record, files=_located(record.files, places.files, settings)))
    elif not entry.pulling:
        raise DamagedRecord("it lists no model file")
    _check(entry)
    return entry


def _convert(decoded: object, kind: type[Decoded]) -> Decoded:
    try:
        return msgspec.convert(decoded, kind, dec_hook=_parse_path)
    except msgspec.ValidationError as error:
        raise DamagedRecord(f"it is damaged: {error}") from None


def _parse_path(_: type, value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("Expected a path")
    os.fsencode(value)
    return Path(value)


def _located(files: Iterable[StoredFile], places: Iterable[_Placed], settings: Settings) -> tuple[StoredFile, ...]:
    return tuple(
        replace(file, path=_absolute(placed.place, file.path, settings))
        for file, placed in zip(files, places, strict=True)
    )


def _absolute(place: _Place, path: Path, settings: Settings) -> Path:
    if place is _Place.ABSOLUTE:
        return path
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise DamagedRecord(f"the path {str(path)!r} points outside its directory")
    return _directories(settings)[place] / path


def _render_file(file: StoredFile, settings: Settings) -> dict[str, object]:
    rendered: dict[str, object] = msgspec.to_builtins(file, enc_hook=str)
    for place, directory in _directories(settings).items():
        if file.path.is_relative_to(directory):
            return rendered | {"place": place, "path": file.path.relative_to(directory).as_posix()}
    path = os.path.abspath(file.path)  # noqa: PTH100 - resolve() would follow a snapshot's link
    return rendered | {"place": _Place.ABSOLUTE, "path": path}


def _directories(settings: Settings) -> dict[_Place, Path]:
    return {_Place.HUB_CACHE: settings.hub_cache, _Place.DATA: settings.data_directory}


def _check(entry: Entry) -> None:
    """Check what the types do not. Raises DamagedRecord."""
    texts, files, record = [entry.name], list(entry.pulling), entry.record
    if record is not None:
        texts += [record.repository or "", record.commit or "", record.requested_revision or ""]
        texts += [record.summary.size_label, record.summary.quantization]
        files += record.files
        if not record.model_files:
            raise DamagedRecord("it lists no model file")
        for name, moment in (("created_at", record.created_at), ("modified_at", record.modified_at)):
            if not _is_moment(moment):
                raise DamagedRecord(f"it is damaged: Expected a time with its distance from UTC - at `$.{name}`")
    texts += [text or "" for file in files for text in (file.repository, file.commit, file.repository_path)]
    if not all(text.isprintable() for text in texts):
        raise DamagedRecord("it has unprintable characters")


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _printable(text: str) -> str:
    """Replace the characters of a file's header that would control a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
