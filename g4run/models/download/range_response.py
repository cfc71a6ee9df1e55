"""Judge the answer to the request for a range of a file, before its body is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

import httpx2

from g4run.models.download.segments import Range
from g4run.units import render_count

NETWORK_FAILURES = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.IGNORECASE)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_BUSY = frozenset({429, 503})
_TRANSIENT_CLIENT_ERRORS = frozenset({408, 421, 425})


class Verdict(Enum):
    """What to do with an answer."""

    PART = auto()  # the requested bytes, or the first of them
    WHOLE = auto()  # the whole file: the server ignores ranges
    OTHER_SIZE = auto()  # a file of a different size
    EXPIRED = auto()  # the link no longer works
    UNUSABLE = auto()  # ask again, after a while if the server is busy


RENEWED = frozenset({Verdict.OTHER_SIZE, Verdict.EXPIRED})  # that a new link may fix


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict and its details."""

    verdict: Verdict
    reason: str = ""  # what went wrong, for the user
    end: int = 0  # for PART and WHOLE: where the body ends
    wait_seconds: float | None = None  # for UNUSABLE, if the server says so


def describe_failure(error: Exception) -> str:
    """Return what the network did, for the user."""
    if isinstance(error, httpx2.ConnectTimeout | httpx2.ConnectError):
        return f"cannot connect to the server ({error})"
    if isinstance(error, httpx2.TimeoutException):
        return "the server stopped sending data"
    return f"the connection broke ({error})"


def judge_answer(
    status: int, headers: Mapping[str, str], wanted: Range, size_bytes: int, now: datetime | None = None
) -> Answer:
    """Judge the answer for a range of a file of that size; `headers` are looked up by lower-case names.

    Whether the content is right is for the digest of the whole file to tell.
    """
    if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        return Answer(Verdict.UNUSABLE, f"the server compressed the file ({headers['content-encoding']})")
    if status == 206:
        return _judge_part(headers, wanted, size_bytes)
    if status == 200:
        return _judge_whole(headers, size_bytes)
    if status == 416:
        return _judge_unsatisfiable(headers, size_bytes)
    if status in _BUSY:
        wait = parse_retry_after(headers.get("retry-after", ""), now or datetime.now(UTC))
        return Answer(Verdict.UNUSABLE, f"the server is busy ({status})", wait_seconds=wait)
    if 400 <= status < 500 and status not in _TRANSIENT_CLIENT_ERRORS:
        return Answer(Verdict.EXPIRED, f"the server rejected the link ({status})")
    return Answer(Verdict.UNUSABLE, f"the server answered {status}")


def parse_retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds to wait, given as a number or a date."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # an impossible year
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def _judge_part(headers: Mapping[str, str], wanted: Range, size_bytes: int) -> Answer:
    given = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if given is None or given[1] is None:
        return Answer(Verdict.UNUSABLE, "the server did not say which part of the file it sent")
    start, end = int(given[1]), int(given[2]) + 1
    if given[3] != "*" and int(given[3]) != size_bytes:
        return _other_size(int(given[3]), size_bytes)
    if start != wanted[0] or not start < end <= wanted[1]:
        return Answer(Verdict.UNUSABLE, f"the server sent {given[0]} instead of {wanted[0]}-{wanted[1] - 1}")
    if not _has_length(headers, end - start):
        return Answer(Verdict.UNUSABLE, "the server's Content-Length and Content-Range disagree")
    return Answer(Verdict.PART, end=end)


def _judge_whole(headers: Mapping[str, str], size_bytes: int) -> Answer:
    length = headers.get("content-length", "")
    if headers.get("content-type", "").lower().startswith("text/html"):
        return Answer(Verdict.EXPIRED, "the server sent a web page instead of the file")
    if not _has_length(headers, size_bytes):
        return _other_size(int(length) if _LENGTH.fullmatch(length) else 0, size_bytes)
    return Answer(Verdict.WHOLE, end=size_bytes)


def _judge_unsatisfiable(headers: Mapping[str, str], size_bytes: int) -> Answer:
    given = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if given and given[3] != "*" and int(given[3]) != size_bytes:
        return _other_size(int(given[3]), size_bytes)
    return Answer(Verdict.UNUSABLE, "the server does not have that part of the file (416)")


def _other_size(found: int, size_bytes: int) -> Answer:
    problem = f"the server's file has {render_count(found)} bytes, but the Hub says {render_count(size_bytes)}"
    return Answer(Verdict.OTHER_SIZE, problem)


def _has_length(headers: Mapping[str, str], expected: int) -> bool:
    """Whether the body has the expected length, or does not declare one."""
    return headers.get("content-length", str(expected)).strip() == str(expected)
