"""Resolve the name of a model to its files, and check that the engine can load them."""

import stat
from functools import cached_property
from pathlib import Path

import msgspec

from g4run.errors import ModelNotFound, Pointer
from g4run.files import make_read_error
from g4run.models.catalog.catalog import Catalog, read_catalog
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.header import GgufHeader, naming
from g4run.models.gguf.loadable import check_loadable
from g4run.models.gguf.shards import read_model, shard_paths
from g4run.models.hub_cache.cache import file_size
from g4run.models.names.family import suggest_names
from g4run.models.names.parse import parse_name
from g4run.models.names.types import DEMO, CustomName, DemoName, FamilyName, HubName, PathName
from g4run.models.store.store import Record, Store
from g4run.settings import Settings
from g4run.suggestions import MAX_SUGGESTIONS, did_you_mean, find_similar
from g4run.units import render_bytes

DEMO_PATH = Path(__file__).parent.parent / "data" / "demo.gguf"


class ModelFile(msgspec.Struct, frozen=True):
    """A loadable model on disk; `path` is its first file if it is split."""

    name: str  # as you typed it, or the store's
    path: Path
    header: GgufHeader
    architecture: Gemma4
    record: Record | None = None  # its record in the store, if any


class Library:
    """All models that have a name: the built-in one, files, and those in the store and the catalog."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, read on first use."""
        return read_catalog(self.settings.data_directory)

    def resolve(self, name: str) -> ModelFile:
        """Find, read, and check the files of a name.

        Raises ModelNotFound if there is no readable file, and InvalidModelFile if it is not a loadable Gemma 4 model.
        """
        match parse_name(name):
            case DemoName():
                return open_file(DEMO, DEMO_PATH)
            case PathName():
                return open_file(name, expand_path(name))
            case FamilyName() | HubName() | CustomName() as parsed:
                record = self.find_record(parsed)
                if record is None:
                    raise self._missing(name, parsed)
                return open_record(record)

    def find_record(self, name: FamilyName | HubName | CustomName) -> Record | None:
        """Return the record of a name, or of another name for the same file on the Hub."""
        record = self.store.find(name.text)
        if record is not None or isinstance(name, CustomName):
            return record
        wanted = self._hub_place(name)
        return None if wanted is None else self.find_place(*wanted)

    def find_place(self, repository: str, path: str) -> Record | None:
        """Return the newest record of a file on the Hub, whatever its name."""
        return next((found for found in self.store.records() if _is_from(found, (repository, path))), None)

    def get_record(self, name: str) -> Record:
        """Return the record of a typed name. Raises ModelNotFound."""
        parsed = parse_name(name)
        if isinstance(parsed, DemoName | PathName):
            raise ModelNotFound(f"{name} is not a name in the store", "`g4run list` shows the names in the store")
        record = self.find_record(parsed)
        if record is None:
            raise self._missing(name, parsed)
        return record

    def _hub_place(self, name: FamilyName | HubName) -> tuple[str, str] | None:
        """Return the repository and path of a name; the catalog completes names without a file, except a size's."""
        if isinstance(name, HubName) and name.file is not None:
            return name.repository, name.file
        if isinstance(name, FamilyName) and name.is_size_only:
            return None
        file = self.catalog.find(name)
        return None if file is None else (file.repository, file.path)

    def _missing(self, typed: str, name: FamilyName | HubName | CustomName) -> ModelNotFound:
        if isinstance(name, CustomName):
            return self.unknown_name(typed)
        size = ""
        if isinstance(name, FamilyName) and not name.is_size_only:
            entry = self.catalog.resolve(name)
            size = f" ({'' if entry.size_is_exact else 'about '}{render_bytes(entry.size_bytes)})"
        return ModelNotFound(f"{name.text} is not on this machine yet{size}", f"g4run pull {name.text}")

    def unknown_name(self, typed: str) -> ModelNotFound:
        """Return the error for an unknown name, with the most similar known names."""
        if typed in _file_names(Path()):
            return ModelNotFound(f"there is no model named {typed}", f"for the file of that name, type ./{typed}")
        near = suggest_names(typed, [record.name for record in self.store.records()])
        hint = did_you_mean(near, "`g4run list` and `g4run list --available` show the names")
        return ModelNotFound(f"there is no model named {typed}", hint, pointer=Pointer(typed, 0, len(typed)))


def open_file(name: str, path: Path) -> ModelFile:
    """Read and check one file, or the model that a part belongs to, under the typed name.

    Raises ModelNotFound, InvalidModelFile.
    """
    try:
        _check_regular_file(path)
        return _open(name, shard_paths(path))
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise make_read_error(error, path) from None


def open_record(record: Record) -> ModelFile:
    """Read and check the files of a stored model. Raises ModelNotFound, InvalidModelFile."""
    paths = tuple(file.path for file in record.model_files)
    for path in paths:
        if file_size(path) is None:
            source = record.name_on_hub
            hint = f"g4run pull {source}" if source else f"g4run rm {record.name}, then import the file again"
            raise ModelNotFound(f"the file of {record.name} is gone: {path}", hint)
    try:
        return _open(record.name, paths, record)
    except OSError as error:
        raise make_read_error(error, paths[0]) from None


def _open(name: str, paths: tuple[Path, ...], record: Record | None = None) -> ModelFile:
    header = read_model(paths)
    with naming(paths[0].name):
        return ModelFile(name, paths[0], header, check_loadable(header), record)


def expand_path(name: str) -> Path:
    """Expand ~ in a typed path. Raises ModelNotFound if it has no meaning."""
    if "\0" in name:
        raise ModelNotFound(f"{name!r} is not a path", f"give `{DEMO}`, or the path of a GGUF file")
    try:
        return Path(name).expanduser() if name.startswith("~") else Path(name)  # Path drops the ./ of ./~x
    except RuntimeError:
        raise ModelNotFound(f"there is no such home directory: {name}", "write the path without ~") from None


def _is_from(record: Record, place: tuple[str, str]) -> bool:
    found = record.model_files[0].hub_place
    return found is not None and [part.lower() for part in found] == [part.lower() for part in place]


def _check_regular_file(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ModelNotFound(f"{path} is a directory", _files_hint(_gguf_files(path), path))
    if not stat.S_ISREG(mode):
        raise ModelNotFound(f"{path} is not a regular file", "give the path of a GGUF file")


def _missing(path: Path) -> ModelNotFound:
    if path == DEMO_PATH:
        return ModelNotFound("the built-in model is missing from this installation", "reinstall g4run")
    if not path.parent.is_dir():
        return ModelNotFound(f"there is no file {path} and no directory {path.parent}", "check the path")
    files = _gguf_files(path.parent)
    near = (str(path.parent / name) for name in find_similar(path.name, files))
    return ModelNotFound(f"there is no file {path}", did_you_mean(near, _files_hint(files, path.parent)))


def _gguf_files(directory: Path) -> list[str]:
    return [name for name in _file_names(directory) if name.lower().endswith(".gguf")]


def _file_names(directory: Path) -> list[str]:
    try:
        return sorted(file.name for file in directory.iterdir())
    except OSError:
        return []  # the list is only for a hint


def _files_hint(files: list[str], directory: Path) -> str:
    if not files:
        return f"there are no GGUF files in {directory}"
    more = f" and {len(files) - MAX_SUGGESTIONS} more" if len(files) > MAX_SUGGESTIONS else ""
    listed = ", ".join(str(directory / file) for file in files[:MAX_SUGGESTIONS])
    return f"the GGUF files there: {listed}{more}"
