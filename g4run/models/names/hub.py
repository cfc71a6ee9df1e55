"""Parse Hub names, hf.co/USER/REPO[@REVISION][:QUANTIZATION or /FILE.gguf], and addresses of Hub pages."""

import re
from urllib.parse import unquote

from msgspec.structs import replace

from g4run.errors import ModelNotFound, Pointer, UsageError
from g4run.models.names.types import HUB_HOST, URL_FILE, HubName
from g4run.models.quantizations import QUANTIZATIONS, normalize_quantization
from g4run.suggestions import did_you_mean, find_similar

HOSTS = frozenset({HUB_HOST, "huggingface.co", "www.huggingface.co", "www.hf.co"})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)
_NAME = re.compile(  # what is not valid in a part is told apart later, so that the error can point at it
    r"(?P<user>[^/]*)(?:/(?P<repository>[^/:@]*)(?:@(?P<revision>[^/:]*))?(?::(?P<tag>[^/]*))?(?:/(?P<file>.*))?)?",
    re.DOTALL,
)
_PART = re.compile(r"\w(?:[\w.-]{0,94}\w)?", re.ASCII)  # huggingface_hub's validate_repo_id
_REVISION = re.compile(r"\w[\w./-]{0,249}", re.ASCII)
_ILLEGAL_IN_FILES = re.compile(r'[\x00-\x1f\x7f?#%:*"<>|\\]')  # also illegal on some file systems
_TREE = re.compile(r"tree/(?P<revision>[^/]+)/*", re.DOTALL)
_DEFAULT_REVISION = "main"
_EXAMPLE = f"write {HUB_HOST}/USER/REPOSITORY, {HUB_HOST}/USER/REPOSITORY:Q8_0 or {HUB_HOST}/USER/REPOSITORY/FILE.gguf"


def is_hub_name(text: str) -> bool:
    """Return whether a text starts with the Hub's host or a URL scheme."""
    return _SCHEME.match(text) is not None or text.lower().partition("/")[0] in HOSTS


def parse_hub_name(text: str) -> HubName:
    """Parse a repository with an optional revision and an optional quantization or file.

    Raises UsageError, or ModelNotFound for an unknown quantization.
    """
    address = re.split("[?#]", text)[0]
    is_address = _SCHEME.match(text) is not None
    match = _NAME.fullmatch(text, _end_of_host(text, address), len(address))
    assert match is not None  # it matches everything
    for part in ("user", "repository"):
        _check_part(match, part)
    name = HubName(f"{match['user']}/{match['repository']}", revision=_parse_revision(match))
    if not match["file"]:
        return replace(name, quantization=_parse_quantization(match))
    if match["tag"] is not None:
        raise _wrong(match, "tag", "a name can have a quantization or a file, not both")
    if match["revision"] is not None:
        return replace(name, file=_parse_path(match, is_address=is_address))
    return _parse_page(name, match, is_address=is_address)


def _end_of_host(text: str, address: str) -> int:
    """Return where the user's name starts. Raises UsageError for other hosts than the Hub's."""
    scheme = _SCHEME.match(text)
    start = scheme.end() if scheme else 0
    host = address[start:].partition("/")[0]
    end = start + len(host)
    if host.lower() not in HOSTS or (scheme and scheme.group().lower() not in ("https://", "http://")):
        message = "only addresses of the Hugging Face Hub are supported"
        raise UsageError(message, _EXAMPLE, pointer=Pointer(text, 0, end))
    return min(end + 1, len(address))


def _parse_page(name: HubName, match: re.Match[str], *, is_address: bool) -> HubName:
    """Parse the part after a repository without a revision: a file, or tree/…, blob/…, resolve/… of an address."""
    start, end = match.span("file")
    tree = _TREE.fullmatch(match.string, start, end)
    if tree:
        return replace(name, revision=_parse_revision(tree))
    page = URL_FILE.fullmatch(match.string, start, end)
    if page is None:
        return replace(name, file=_parse_path(match, is_address=is_address))
    return replace(name, revision=_parse_revision(page), file=_parse_path(page, is_address=True))


def _check_part(match: re.Match[str], part: str) -> None:
    name = match[part]
    if not name:
        raise _wrong(match, part, "a repository name has two parts, USER/REPOSITORY")
    if not _PART.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise _wrong(match, part, f"{name!r} is not a valid user or repository name")


def _parse_path(match: re.Match[str], *, is_address: bool) -> str:
    path = unquote(match["file"]) if is_address else match["file"]
    if not path.lower().endswith(".gguf"):
        quantization = normalize_quantization(path.strip("/"))
        before = match.string[: match.start("file") - 1]
        hint = "" if quantization is None else did_you_mean((f"{before}:{quantization}",))
        raise _wrong(match, "file", f"{path!r} is not a GGUF file name", hint)
    if _ILLEGAL_IN_FILES.search(path) or not path.isprintable():
        raise _wrong(match, "file", f"{path!r} has a character that file names cannot have")
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise _wrong(match, "file", f"{path!r} is not a path inside a repository")
    return path


def _parse_revision(match: re.Match[str]) -> str | None:
    typed = match["revision"]
    if typed is None:
        return None
    revision = re.sub("%2f", "/", typed, flags=re.IGNORECASE)
    if not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision or revision.endswith(("/", ".")):
        raise _wrong(match, "revision", f"{typed!r} is not a valid branch, tag, or commit")
    return None if revision == _DEFAULT_REVISION else revision


def _parse_quantization(match: re.Match[str]) -> str | None:
    typed = match["tag"]
    if typed is None or typed.lower() == "latest":
        return None
    quantization = normalize_quantization(typed)
    if quantization is None:
        repository = match.string[: match.start("tag") - 1]
        near = [f"{repository}:{tag}" for tag in find_similar(typed, QUANTIZATIONS)]
        hint = did_you_mean(near, f"name the file itself: {repository}/FILE.gguf")
        place = Pointer(match.string, *match.span("tag"))
        raise ModelNotFound(f"{typed!r} is not a quantization", hint, pointer=place)
    return quantization


def _wrong(match: re.Match[str], group: str, message: str, hint: str = "") -> UsageError:
    """Return an error that points at a group, or at the end of the match if the group is missing."""
    start, end = match.span(group) if match[group] is not None else (match.end(), match.end())
    return UsageError(message, hint or _EXAMPLE, pointer=Pointer(match.string, start, end))
