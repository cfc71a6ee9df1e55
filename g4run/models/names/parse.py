"""Parse the name of a model.

    gemma4  gemma4:26b  gemma4:26b-qat  gemma4:26b-a4b-it-q4_K_M  gemma4:31b:UD-Q4_K_XL    a file from the catalog
    hf.co/USER/REPO  hf.co/USER/REPO:Q8_0  hf.co/USER/REPO/FILE.gguf  https://huggingface.co/…   a file on the Hub
    ./file.gguf  models/file  ~/file.gguf  C:\\file.gguf                                        a file on disk
    demo                                                                                       the built-in model
    anything else                                                             a custom name

`gemma4` alone means E4B, as in Ollama's library. The parser does not check whether the model exists.
"""

import re

from g4run.errors import G4RunError, Pointer, UsageError
from g4run.models.names.family import check_typo, parse_family
from g4run.models.names.hub import HOSTS, is_hub_name, parse_hub_name
from g4run.models.names.types import DEFAULT_SIZE, DEMO, FAMILY, CustomName, DemoName, ModelName, PathName

MAX_CUSTOM_NAME_LENGTH = 80  # characters
_CUSTOM_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(?::[a-z0-9._-]+)?", re.IGNORECASE | re.ASCII)
_VALID_START = re.compile(r"(?:[a-z0-9][a-z0-9._-]*(?::[a-z0-9._-]*)?)?", re.IGNORECASE | re.ASCII)
_DRIVE = re.compile(r"[a-z]:", re.IGNORECASE | re.ASCII)
_LATEST = ":latest"
_CUSTOM_NAME_HINT = "use only letters, digits and . _ -, and a :tag if you like"
_OTHER_NAME = "choose another name, such as my-gemma"


def parse_name(text: str) -> ModelName:
    """Parse the name of a model.

    Raises UsageError for an invalid name, and ModelNotFound for an unknown size or quantization of gemma4 and for
    typos of gemma4; both point at the place and suggest the nearest names.
    """
    if is_hub_name(text):
        return parse_hub_name(text)
    if is_path(text):
        return PathName(text)
    if _without_latest(text).lower() == DEMO:
        return DemoName()
    return parse_family(text) or _parse_custom(text)


def is_path(text: str) -> bool:
    """Return whether a text names a file: it has a separator, ends in `.gguf`, or starts with `.`, `~`, or a drive."""
    has_separator = "/" in text or "\\" in text
    return (
        has_separator or text.startswith((".", "~")) or text.lower().endswith(".gguf") or _DRIVE.match(text) is not None
    )


def parse_custom_name(text: str) -> CustomName:
    """Parse a custom name for a model. Raises UsageError if it is malformed or already has another meaning."""
    try:
        name = parse_name(text)
    except UsageError:
        raise
    except G4RunError as error:
        raise UsageError(f"{text} is reserved for models of the catalog", _OTHER_NAME, pointer=error.pointer) from None
    if isinstance(name, CustomName):
        return name
    kind = "looks like a file path" if isinstance(name, PathName) else "already names another model"
    raise UsageError(f"{text} {kind}", _OTHER_NAME, pointer=Pointer(text, 0, len(text)))


def _parse_custom(text: str) -> CustomName:
    name = _without_latest(text)
    if not name:
        raise UsageError("the model name is empty", f"give a name such as {FAMILY}:{DEFAULT_SIZE}, or `{DEMO}`")
    if len(name) > MAX_CUSTOM_NAME_LENGTH:
        place = Pointer(text, MAX_CUSTOM_NAME_LENGTH, len(text))
        message = f"the name has {len(name)} characters, more than {MAX_CUSTOM_NAME_LENGTH}"
        raise UsageError(message, "use a shorter name", pointer=place)
    if not _CUSTOM_NAME.fullmatch(name) or is_path(name) or name.lower() in HOSTS:
        raise UsageError(f"{text!r} is not a valid model name", _CUSTOM_NAME_HINT, pointer=_wrong_place(text, name))
    check_typo(name)
    return CustomName(name.lower())


def _wrong_place(text: str, name: str) -> Pointer:
    """Return the first character that cannot be in its place, else the whole name."""
    match = _VALID_START.match(name)
    end = match.end() if match else 0
    return Pointer(text, end, end + 1) if end < len(name) else Pointer(text, 0, len(name))


def _without_latest(text: str) -> str:
    return text[: -len(_LATEST)] if text.lower().endswith(_LATEST) else text
