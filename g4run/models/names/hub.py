"""Parse Hub names, hf.co/USER/REPO[@REVISION][:QUANTIZATION or /FILE.gguf], and addresses of Hub pages."""

import re
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from g4run.errors import G4RunError, ModelNotFound, Pointer, UsageError
from g4run.models.names.types import HUB_HOST, URL_FILE, HubName
from g4run.models.quantizations import QUANTIZATIONS, normalize_quantization
from g4run.suggestions import did_you_mean, find_similar

HOSTS = frozenset({HUB_HOST, "huggingface.co", "www.huggingface.co", "www.hf.co"})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"\w(?:[\w.-]{0,94}\w)?", re.ASCII)  # huggingface_hub's validate_repo_id
_REVISION = re.compile(r"\w[\w./-]{0,249}", re.ASCII)
_ILLEGAL_IN_FILES = re.compile(r'[\x00-\x1f\x7f?#%:*"<>|\\]')  # also illegal on some file systems
_TREE = re.compile(r"tree/(?P<revision>[^/]+)", re.DOTALL)
_DEFAULT_REVISION = "main"
_EXAMPLE = f"write {HUB_HOST}/USER/REPOSITORY, {HUB_HOST}/USER/REPOSITORY:Q8_0 or {HUB_HOST}/USER/REPOSITORY/FILE.gguf"


class _Span(msgspec.Struct, frozen=True):
    """A part of the typed text, and its position."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def partition(self, separator: str) -> tuple["_Span", "_Span | None"]:
        before, found, after = self.text.partition(separator)
        rest = _Span(after, self.start + len(before) + len(separator)) if found else None
        return _Span(before, self.start), rest


def is_hub_name(text: str) -> bool:
    """Return whether a text starts with the Hub's host or a URL scheme."""
    return _SCHEME.match(text) is not None or text.lower().partition("/")[0] in HOSTS


def parse_hub_name(text: str) -> HubName:
    """Parse a repository with an optional revision and an optional quantization or file.

    Raises UsageError, or ModelNotFound for an unknown quantization.
    """
    user, rest = _after_host(text).partition("/")
    repository, file = (rest or _Span("", user.end)).partition("/")
    repository, tag = repository.partition(":")
    repository, revision = repository.partition("@")
    for part in (user, repository):
        _check_part(text, part)
    name = HubName(f"{user.text}/{repository.text}", revision=_parse_revision(text, revision))
    if file is None or not file.text:
        return replace(name, quantization=_parse_quantization(text, tag))
    if tag is not None:
        raise _wrong(text, tag, "a name can have a quantization or a file, not both")
    if revision is None:
        return _parse_page(text, name, file)
    return replace(name, file=_parse_path(text, file, is_address=_SCHEME.match(text) is not None))


def _after_host(text: str) -> _Span:
    scheme = _SCHEME.match(text)
    start = scheme.end() if scheme else 0
    host, rest = _Span(re.split("[?#]", text[start:])[0], start).partition("/")
    if host.text.lower() not in HOSTS or (scheme and scheme.group().lower() not in ("https://", "http://")):
        raise _wrong(text, _Span(text[: host.end], 0), "only addresses of the Hugging Face Hub are supported")
    return rest or _Span("", host.end)


def _parse_page(text: str, name: HubName, rest: _Span) -> HubName:
    """Parse the part after a repository without a revision: a file, or tree/…, blob/…, resolve/… of an address."""
    tree = _TREE.fullmatch(rest.text.rstrip("/"))
    if tree:
        return replace(name, revision=_parse_revision(text, _inner(rest, tree, "revision")))
    page = URL_FILE.fullmatch(rest.text)
    if page is None:
        return replace(name, file=_parse_path(text, rest, is_address=_SCHEME.match(text) is not None))
    revision = _parse_revision(text, _inner(rest, page, "revision"))
    return replace(name, revision=revision, file=_parse_path(text, _inner(rest, page, "file"), is_address=True))


def _inner(span: _Span, match: re.Match[str], group: str) -> _Span:
    return _Span(match[group], span.start + match.start(group))


def _check_part(text: str, part: _Span) -> None:
    name = part.text
    if not name:
        raise _wrong(text, part, "a repository name has two parts, USER/REPOSITORY")
    if not _PART.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise _wrong(text, part, f"{name!r} is not a valid user or repository name")


def _parse_path(text: str, span: _Span, *, is_address: bool) -> str:
    path = unquote(span.text) if is_address else span.text
    if not path.lower().endswith(".gguf"):
        quantization = normalize_quantization(path.strip("/"))
        hint = "" if quantization is None else did_you_mean((f"{text[: span.start - 1]}:{quantization}",))
        raise _wrong(text, span, f"{path!r} is not a GGUF file name", hint)
    if _ILLEGAL_IN_FILES.search(path) or not path.isprintable():
        raise _wrong(text, span, f"{path!r} has a character that file names cannot have")
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise _wrong(text, span, f"{path!r} is not a path inside a repository")
    return path


def _parse_revision(text: str, span: _Span | None) -> str | None:
    if span is None:
        return None
    revision = re.sub("%2f", "/", span.text, flags=re.IGNORECASE)
    if not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision or revision.endswith(("/", ".")):
        raise _wrong(text, span, f"{span.text!r} is not a valid branch, tag, or commit")
    return None if revision == _DEFAULT_REVISION else revision


def _parse_quantization(text: str, span: _Span | None) -> str | None:
    if span is None or span.text.lower() == "latest":
        return None
    quantization = normalize_quantization(span.text)
    if quantization is None:
        repository = text[: span.start - 1]
        near = [f"{repository}:{tag}" for tag in find_similar(span.text, QUANTIZATIONS)]
        hint = did_you_mean(near, f"name the file itself: {repository}/FILE.gguf")
        place = Pointer(text, span.start, span.end)
        raise ModelNotFound(f"{span.text!r} is not a quantization", hint, pointer=place)
    return quantization


def _wrong(text: str, span: _Span, message: str, hint: str = "") -> G4RunError:
    return UsageError(message, hint or _EXAMPLE, pointer=Pointer(text, span.start, span.end))
