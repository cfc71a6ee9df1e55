"""The kinds of model names; parse.py tells them apart."""

import re
from enum import StrEnum

import msgspec

DEMO = "demo"
FAMILY = "gemma4"
HUB_HOST = "hf.co"


class Size(StrEnum):
    """The sizes of Gemma 4."""

    E2B = "e2b"
    E4B = "e4b"
    DENSE_12B = "12b"
    A4B_26B = "26b"
    DENSE_31B = "31b"


DEFAULT_SIZE = Size.E4B  # what `latest` is in Ollama's library (docs/context-length.mdx)


class DemoName(msgspec.Struct, frozen=True):
    """The built-in model."""

    text: str = DEMO


class PathName(msgspec.Struct, frozen=True):
    """A file on disk, as typed."""

    text: str


class FamilyName(msgspec.Struct, frozen=True):
    """A size with an optional quantization; the catalog resolves it to a file."""

    size: Size
    is_qat: bool = False  # quantization-aware trained weights were requested
    quantization: str | None = None  # canonical: UD-Q4_K_XL

    @property
    def is_size_only(self) -> bool:
        """Whether the name has a size but no quantization."""
        return self.quantization is None and not self.is_qat

    @property
    def text(self) -> str:
        """The canonical name: gemma4:26b, gemma4:26b-qat-q4_0."""
        qat = "-qat" if self.is_qat else ""
        quantization = f"-{self.quantization.lower()}" if self.quantization else ""
        return f"{FAMILY}:{self.size}{qat}{quantization}"


class HubName(msgspec.Struct, frozen=True):
    """A repository on the Hub, and optionally one of its files by quantization or path."""

    repository: str
    quantization: str | None = None  # canonical
    file: str | None = None
    revision: str | None = None  # None: the default branch

    @property
    def text(self) -> str:
        """The canonical name: hf.co/USER/REPO[@REVISION][:QUANTIZATION or /FILE]."""
        looks_like_url = self.file is not None and URL_FILE.fullmatch(self.file) is not None
        revision = self.revision or ("main" if looks_like_url else "")
        at = "@" + revision.replace("/", "%2F") if revision else ""
        rest = f"/{self.file}" if self.file else f":{self.quantization}" if self.quantization else ""
        return f"{HUB_HOST}/{self.repository}{at}{rest}"


# The part of a Hub page's or download's address after the repository.
URL_FILE = re.compile(r"(?P<verb>blob|resolve|raw)/(?P<revision>[^/]+)/(?P<file>.+)", re.DOTALL)


class CustomName(msgspec.Struct, frozen=True):
    """A custom name of letters, digits and . _ -, with an optional :tag; in lower case."""

    text: str


ModelName = DemoName | PathName | FamilyName | HubName | CustomName
