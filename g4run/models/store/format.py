"""A record as the text of a file, and back.

{"version": 1, "name": …, "files": [{"role": …, "place": "hub_cache", "path": …, …}], "summary": {…}, …}. A path below
the Hugging Face cache or the data directory is stored relative to it, so that either may move. Unknown fields are
ignored.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TypeVar

from g4run.errors import DamagedRecord
from g4run.models.digest import is_sha256
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile, Summary
from g4run.settings import Settings

VERSION = 1
_LARGEST = 2**63 - 1

Choice = TypeVar("Choice", bound=StrEnum)


class _Place(StrEnum):
    """What a stored path is relative to."""

    HUB_CACHE = "hub_cache"
    DATA = "data"
    ABSOLUTE = "absolute"


def render_record(record: Record, settings: Settings) -> bytes:
    """The text of a record's file."""
    document = {
        "version": VERSION,
        "name": record.name,
        "repository": record.repository,
        "commit": record.commit,
        "requested_revision": record.requested_revision,
        "created_at": record.created_at,
        "modified_at": record.modified_at,
        "summary": {
            "size_label": _printable(record.summary.size_label),
            "parameters": record.summary.parameters,
            "context_length": record.summary.context_length,
            "quantization": _printable(record.summary.quantization),
            "has_thinking": record.summary.has_thinking,
        },
        "files": [_render_file(file, settings) for file in record.files],
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def parse_record(content: bytes, settings: Settings) -> Record:
    """The record that a file holds. Raises DamagedRecord, with what is wrong and without the file's name."""
    fields = _Fields(_parse_document(content), "")
    version = fields.number("version")
    if version != VERSION:
        raise DamagedRecord(f"it was written by a newer version of g4run (format {version})")
    return Record(
        name=fields.text("name"),
        files=_parse_files(fields, settings),
        summary=_parse_summary(fields.inner("summary")),
        repository=fields.text_or_none("repository"),
        commit=fields.text_or_none("commit"),
        requested_revision=fields.text_or_none("requested_revision"),
        created_at=fields.time("created_at"),
        modified_at=fields.time("modified_at"),
    )


def _printable(text: str) -> str:
    """A text from a file's header without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _render_file(file: StoredFile, settings: Settings) -> dict[str, str | int | None]:
    place, path = _relative(file.path, settings)
    return {
        "role": file.role.value,
        "place": place.value,
        "path": path,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "origin": file.origin.value,
        "repository": file.repository,
        "commit": file.commit,
        "repository_path": file.repository_path,
    }


def _relative(path: Path, settings: Settings) -> tuple[_Place, str]:
    for place, directory in _directories(settings).items():
        if path.is_relative_to(directory):
            return place, path.relative_to(directory).as_posix()
    return _Place.ABSOLUTE, os.path.abspath(path)  # noqa: PTH100 - resolve() would follow a snapshot's link


def _directories(settings: Settings) -> dict[_Place, Path]:
    return {_Place.HUB_CACHE: settings.hub_cache, _Place.DATA: settings.data_directory}


def _parse_document(content: bytes) -> object:
    try:
        document: object = json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedRecord("it is not JSON") from None
    return document


def _parse_files(fields: "_Fields", settings: Settings) -> tuple[StoredFile, ...]:
    files = tuple(_parse_file(inner, settings) for inner in fields.items("files"))
    if not any(file.role is FileRole.MODEL for file in files):
        raise DamagedRecord("it names no file of a model")
    return files


def _parse_file(fields: "_Fields", settings: Settings) -> StoredFile:
    return StoredFile(
        role=fields.choice("role", FileRole),
        path=_absolute(fields.choice("place", _Place), fields.path("path"), settings),
        size_bytes=fields.number("size_bytes"),
        sha256=fields.digest_or_none("sha256"),
        origin=fields.choice("origin", Origin),
        repository=fields.text_or_none("repository"),
        commit=fields.text_or_none("commit"),
        repository_path=fields.text_or_none("repository_path"),
    )


def _absolute(place: _Place, text: str, settings: Settings) -> Path:
    if place is _Place.ABSOLUTE:
        return Path(text)
    relative = PurePosixPath(text)
    if Path(text).is_absolute() or not relative.parts or ".." in relative.parts:
        raise DamagedRecord(f"the path {text!r} leaves its directory")
    return _directories(settings)[place] / relative


def _parse_summary(fields: "_Fields") -> Summary:
    return Summary(
        size_label=fields.text("size_label"),
        parameters=fields.number("parameters"),
        context_length=fields.number("context_length"),
        quantization=fields.text("quantization"),
        has_thinking=fields.fact("has_thinking"),
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one JSON object, each taken with its type. Raises DamagedRecord."""

    value: object
    place: str  # where in the document it stands, for the message

    def text(self, key: str) -> str:
        """A string that can be shown and encoded."""
        value = self._get(key)
        if not isinstance(value, str) or not value.isprintable():
            raise self._wrong(key, "a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        """The same, where null and absence mean None."""
        return None if self._get(key) is None else self.text(key)

    def path(self, key: str) -> str:
        """A path, in whatever encoding the file system has."""
        value = self._get(key)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self._wrong(key, "a path")
        try:
            os.fsencode(value)
        except ValueError:
            raise self._wrong(key, "a path") from None
        return value

    def digest_or_none(self, key: str) -> str | None:
        """A sha256 in hexadecimal digits."""
        value = self.text_or_none(key)
        if value is not None and not is_sha256(value):
            raise self._wrong(key, "a sha256")
        return value

    def number(self, key: str) -> int:
        """A whole number of 0 or more."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
            raise self._wrong(key, "a whole number")
        return value

    def fact(self, key: str) -> bool:
        """True or false."""
        value = self._get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def time(self, key: str) -> str:
        """A moment in ISO 8601, with its distance from UTC."""
        value = self.text(key)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise self._wrong(key, "a time") from None
        if moment.tzinfo is None:
            raise self._wrong(key, "a time")
        return value

    def choice(self, key: str, choices: type[Choice]) -> Choice:
        """One of the values of an enumeration."""
        value = self.text(key)
        try:
            return choices(value)
        except ValueError:
            raise self._wrong(key, f"one of {', '.join(choices)}") from None

    def inner(self, key: str) -> "_Fields":
        """An object within this one."""
        return _Fields(self._get(key), f"{self.place}{key}.")

    def items(self, key: str) -> tuple["_Fields", ...]:
        """A list of objects."""
        value = self._get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return tuple(_Fields(item, f"{self.place}{key}[{index}].") for index, item in enumerate(value))

    def _get(self, key: str) -> object:
        if not isinstance(self.value, Mapping):
            raise DamagedRecord(f"{self.place.removesuffix('.') or 'the whole'} is not an object")
        return self.value.get(key)

    def _wrong(self, key: str, wanted: str) -> DamagedRecord:
        missing = isinstance(self.value, Mapping) and key not in self.value
        return DamagedRecord(f"{self.place}{key} is {'missing' if missing else f'not {wanted}'}")
