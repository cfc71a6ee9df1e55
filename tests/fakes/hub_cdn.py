"""The host that serves the large files: signed links that expire, ranges, and an ETag that is not the digest."""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.fakes.hub_faults import Fault, FaultKind
from tests.fakes.hub_repositories import HubFile
from tests.fakes.hub_wire import Answer, Slice

_SECRET = b"a fake's key"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed link's parts: the repository, the digest, the file's path (for faults and counts)."""

    repository: str
    sha256: str
    path: str

    @property
    def subject(self) -> str:
        return f"{self.repository}/{self.path}"


class Signer:
    """Makes and checks links; `expire_all` ends those that were given out."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._generation = 0

    def expire_all(self) -> None:
        self._generation += 1

    def sign(self, origin: str, repository: str, file: HubFile) -> str:
        expires = f"{time.time() + self.seconds:.3f}"
        path = f"/{quote(repository)}/{file.sha256}"
        query = f"file={quote(file.path, safe='')}&Expires={expires}&Generation={self._generation}"
        return f"{origin}{path}?{query}&Signature={_signature(path, query)}&Key-Pair-Id=FAKE"

    def refusal(self, url: str) -> Answer | None:
        """403 for a link that is not ours, or not valid any more."""
        parts = urlsplit(url)
        signed, _, _ = parts.query.partition("&Signature=")
        query = parse_qs(parts.query)
        given = query.get("Signature", [""])[0]
        if not hmac.compare_digest(given, _signature(parts.path, signed)):
            return Answer(403, (("Content-Type", "application/xml"),), b"<Error><Code>AccessDenied</Code></Error>")
        expired = float(query["Expires"][0]) < time.time() or int(query["Generation"][0]) < self._generation
        return Answer(403, (), b"<Error><Code>ExpiredToken</Code></Error>") if expired else None


def parse_signed(url: str) -> Signed | None:
    parts = urlsplit(url)
    words = [unquote(word) for word in parts.path.strip("/").split("/")]
    if len(words) != 3:
        return None
    return Signed("/".join(words[:2]), words[2], parse_qs(parts.query).get("file", [""])[0])


def answer_content(file: HubFile, headers: Mapping[str, str], faults: tuple[Fault, ...] = ()) -> Answer:
    """The file, or the range of it that was asked for."""
    values = {fault.kind: fault.value for fault in faults}
    size = file.size_bytes
    etag = _etag(file.sha256, is_changed=FaultKind.CHANGE_ETAG in values)
    general = (("ETag", etag), ("Accept-Ranges", "bytes"), ("Content-Type", "binary/octet-stream"))
    asked = headers.get("range")
    match = _RANGE.fullmatch(asked) if asked else None
    is_stale = headers.get("if-range", etag) != etag
    if match is None or not any(match.groups()) or is_stale or FaultKind.IGNORE_RANGE in values:
        return Answer(200, general, Slice(file.source, 0, size))
    start, end = _bounds(match.group(1), match.group(2), size)
    if start >= end:
        return Answer(416, (*general, ("Content-Range", f"bytes */{size}")))
    shift = values.get(FaultKind.SHIFT_RANGE, 0)
    start, end = min(start + shift, size - 1), min(end + shift, size)
    content_range = ("Content-Range", f"bytes {start}-{end - 1}/{size}")
    hidden_shift = min(values.get(FaultKind.SHIFT_BODY, 0), size - end)
    return Answer(206, (*general, content_range), Slice(file.source, start + hidden_shift, end - start))


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The range as start and end, where the end is not in it any more."""
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _etag(sha256: str, *, is_changed: bool) -> str:
    """As object stores make them: a digest of something else."""
    text = hashlib.md5(f"{sha256}{is_changed}".encode()).hexdigest()
    return f'"{text}-128"'


def _signature(path: str, query: str) -> str:
    return hmac.new(_SECRET, f"{path}?{query}".encode(), hashlib.sha256).hexdigest()
