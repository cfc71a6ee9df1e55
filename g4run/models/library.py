"""From the name of a model to its file: found, read, and known to be one that this engine loads."""

import difflib
import stat
from dataclasses import dataclass
from pathlib import Path

from g4run.errors import InvalidModelFile, ModelNotFound
from g4run.models.architecture import Gemma4, inspect_architecture
from g4run.models.gguf import GgufHeader, read_header
from g4run.models.loadable import check_loadable
from g4run.models.names import DEMO, NameKind, parse_name

DEMO_PATH = Path(__file__).parent.parent / "data" / "demo.gguf"
MAX_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on disk that can be loaded."""

    name: str  # as the person gave it
    path: Path
    header: GgufHeader
    architecture: Gemma4


def resolve(name: str) -> ModelFile:
    """Find, read and check the file of a name.

    Raises ModelNotFound where there is no readable file, InvalidModelFile where it holds no Gemma 4 that loads.
    """
    match parse_name(name).kind:
        case NameKind.DEMO:
            return open_file(DEMO, DEMO_PATH)
        case NameKind.PATH:
            return open_file(name, _expanded(name))
        case NameKind.CATALOG:
            raise _not_available(name)


def open_file(name: str, path: Path) -> ModelFile:
    """Read and check one file, under the name that the person gave."""
    try:
        _check_regular_file(path)
        header = read_header(path)
        return ModelFile(name, path, header, _checked(path, header))
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise ModelNotFound(f"{path} cannot be read: {error.strerror}", "check the path and its permissions") from None


def _expanded(name: str) -> Path:
    if "\0" in name:
        raise ModelNotFound(f"{name!r} is not a path", f"give `{DEMO}`, or the path of a GGUF file")
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise ModelNotFound(f"there is no such home directory: {name}", "write the path without ~") from None


def _check_regular_file(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ModelNotFound(f"{path} is a directory", _files_hint(_gguf_files(path), path))
    if not stat.S_ISREG(mode):
        raise ModelNotFound(f"{path} is not a regular file", "give the path of a GGUF file")


def _checked(path: Path, header: GgufHeader) -> Gemma4:
    try:
        architecture = inspect_architecture(header)
        check_loadable(header)
    except InvalidModelFile as error:
        raise InvalidModelFile(f"{path.name}: {error.message}", error.hint) from None
    return architecture


def _missing(path: Path) -> ModelNotFound:
    if path == DEMO_PATH:
        return ModelNotFound("the built-in model is missing from this installation", "install g4run again")
    if not path.parent.is_dir():
        return ModelNotFound(f"there is no file {path}, nor the directory {path.parent}", "check the path")
    files = _gguf_files(path.parent)
    near = difflib.get_close_matches(path.name, files, n=MAX_SUGGESTIONS, cutoff=0.4)
    if near:
        return ModelNotFound(f"there is no file {path}", f"did you mean {_listed(near, path.parent)}?")
    return ModelNotFound(f"there is no file {path}", _files_hint(files, path.parent))


def _gguf_files(directory: Path) -> list[str]:
    return [name for name in _file_names(directory) if name.lower().endswith(".gguf")]


def _file_names(directory: Path) -> list[str]:
    try:
        return sorted(file.name for file in directory.iterdir())
    except OSError:
        return []  # a hint is not worth an error


def _files_hint(files: list[str], directory: Path) -> str:
    if not files:
        return f"there are no GGUF files in {directory}"
    more = f" and {len(files) - MAX_SUGGESTIONS} more" if len(files) > MAX_SUGGESTIONS else ""
    return f"the GGUF files there: {_listed(files[:MAX_SUGGESTIONS], directory)}{more}"


def _listed(files: list[str], directory: Path) -> str:
    return ", ".join(str(directory / file) for file in files)


def _not_available(name: str) -> ModelNotFound:
    hint = f"give `{DEMO}`, the built-in model, or the path of a GGUF file"
    if not name:
        return ModelNotFound("the model's name is empty", hint)
    if name in _file_names(Path()):
        return ModelNotFound(f"there is no model named {name}", f"for the file of that name, write ./{name}")
    return ModelNotFound(f"{name} is not available yet in this version", hint)
