"""What a person may call a model, and the one parser of it.

    gemma4  gemma4:26b  gemma4:26b-qat  gemma4:26b-a4b-it-q4_K_M  gemma4:31b:UD-Q4_K_XL    the family, from the catalog
    hf.co/USER/REPO  hf.co/USER/REPO:Q8_0  hf.co/USER/REPO/FILE.gguf  https://huggingface.co/…   a file on the Hub
    ./file.gguf  models/file  ~/file.gguf  C:\\file.gguf                                        a file on disk
    demo                                                                                       the built-in model
    anything else                                                             a name that the person made

`gemma4` alone means E4B, as in Ollama's library. The parser knows names, not which of them exist.
"""

import re

from g4run.errors import G4RunError, Pointer, UsageError
from g4run.models.names.family import check_no_misspelling, parse_family, suggest_names
from g4run.models.names.hub import HOSTS, is_hub_name, parse_hub_name
from g4run.models.names.types import (
    DEFAULT_SIZE,
    DEMO,
    FAMILY,
    DemoName,
    FamilyName,
    HubName,
    ModelName,
    OwnName,
    PathName,
    Size,
)

__all__ = [
    "DEFAULT_SIZE",
    "DEMO",
    "FAMILY",
    "LONGEST_OWN_NAME",
    "DemoName",
    "FamilyName",
    "HubName",
    "ModelName",
    "OwnName",
    "PathName",
    "Size",
    "is_path",
    "parse_name",
    "parse_own_name",
    "suggest_names",
]

LONGEST_OWN_NAME = 80  # characters
_OWN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(?::[a-z0-9._-]+)?", re.IGNORECASE | re.ASCII)
_OWN_CHARACTERS = re.compile(r"[a-z0-9._:-]*", re.IGNORECASE | re.ASCII)
_DRIVE = re.compile(r"[a-z]:", re.IGNORECASE | re.ASCII)
_LATEST = ":latest"
_OWN_NAMES_HINT = "a name of your own has letters, digits and . _ - only, and perhaps a tag behind a colon"
_OTHER_NAME = "choose another name, such as my-gemma"


def parse_name(text: str) -> ModelName:
    """Tell what a name names.

    Raises UsageError for what is no name, ModelNotFound for a size or a quantization of gemma4 that does not exist and
    for names that are meant so but misspelt; both point at the place and offer the nearest names.
    """
    if is_hub_name(text):
        return parse_hub_name(text)
    if is_path(text):
        return PathName(text)
    if _without_latest(text).lower() == DEMO:
        return DemoName()
    return parse_family(text) or _parse_own(text)


def is_path(text: str) -> bool:
    """Whether a text names a file: a separator, `.gguf` at its end, or `.`, `~` or a Windows drive at its beginning."""
    has_separator = "/" in text or "\\" in text
    return (
        has_separator or text.startswith((".", "~")) or text.lower().endswith(".gguf") or _DRIVE.match(text) is not None
    )


def parse_own_name(text: str) -> OwnName:
    """A name that the person gives to a model of theirs. Raises UsageError where it is malformed or means something."""
    try:
        name = parse_name(text)
    except UsageError:
        raise
    except G4RunError as error:
        raise UsageError(f"{text} is kept for the models of the catalog", _OTHER_NAME, pointer=error.pointer) from None
    if isinstance(name, OwnName):
        return name
    kind = "looks like the path of a file" if isinstance(name, PathName) else "already names another model"
    raise UsageError(f"{text} {kind}", _OTHER_NAME, pointer=Pointer(text, 0, len(text)))


def _parse_own(text: str) -> OwnName:
    name = _without_latest(text)
    if not name:
        raise UsageError("the model's name is empty", f"give a name such as {FAMILY}:{DEFAULT_SIZE}, or `{DEMO}`")
    if len(name) > LONGEST_OWN_NAME:
        place = Pointer(text, LONGEST_OWN_NAME, len(text))
        raise UsageError(
            f"the name has {len(name)} characters; {LONGEST_OWN_NAME} are the most",
            "give a shorter name",
            pointer=place,
        )
    if not _OWN_NAME.fullmatch(name) or is_path(name) or name.lower() in HOSTS:
        raise UsageError(f"{text!r} is not a name of a model", _OWN_NAMES_HINT, pointer=_wrong_place(text, name))
    check_no_misspelling(name)
    return OwnName(name.lower())


def _wrong_place(text: str, name: str) -> Pointer:
    """The first character that no own name has, else the second colon, else the whole."""
    match = _OWN_CHARACTERS.match(name)
    end = match.end() if match else 0
    if end < len(name):
        return Pointer(text, end, end + 1)
    head, _, tag = name.partition(":")
    if ":" in tag:
        second = len(head) + 1 + tag.index(":")
        return Pointer(text, second, second + 1)
    return Pointer(text, 0, 1) if head and not head[0].isalnum() else Pointer(text, 0, len(name))


def _without_latest(text: str) -> str:
    return text[: -len(_LATEST)] if text.lower().endswith(_LATEST) else text
