"""What a person may call a model: `demo`, a path to a GGUF file, or a name such as gemma4:26b."""

from dataclasses import dataclass
from enum import Enum

DEMO = "demo"


class NameKind(Enum):
    """Where a name points."""

    DEMO = "demo"  # the model inside this package
    PATH = "path"  # a file
    CATALOG = "catalog"  # a name to be looked up


@dataclass(frozen=True, slots=True)
class ModelName:
    """A name as it was given, and where it points."""

    text: str
    kind: NameKind


def parse_name(text: str) -> ModelName:
    """Tell a path from a name: a path has a separator, ends in .gguf, or begins like one (`./demo`, `~`, `..`).

    `hf.co/user/repository` is a name in spite of its separators.
    """
    if text == DEMO:
        return ModelName(text, NameKind.DEMO)
    if text.startswith(("hf.co/", "huggingface.co/")):
        return ModelName(text, NameKind.CATALOG)
    is_path = "/" in text or "\\" in text or text.startswith(("~", ".")) or text.lower().endswith(".gguf")
    return ModelName(text, NameKind.PATH if is_path else NameKind.CATALOG)
