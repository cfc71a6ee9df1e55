from datetime import UTC, datetime

import pytest

from g4run.models.download.range_response import Verdict, judge_answer, parse_retry_after

WANTED, SIZE = (100, 200), 1000
PART = {"content-range": "bytes 100-199/1000", "content-length": "100"}


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (206, PART, Verdict.PART),
        (206, {"content-range": "bytes 100-149/1000"}, Verdict.PART),
        (206, PART | {"content-range": "Bytes 100-199/*"}, Verdict.PART),
        (206, PART | {"content-range": "bytes 101-200/1000"}, Verdict.UNUSABLE),
        (206, PART | {"content-range": "bytes 0-99/1000"}, Verdict.UNUSABLE),
        (206, PART | {"content-range": "bytes 100-200/1000", "content-length": "101"}, Verdict.UNUSABLE),
        (206, PART | {"content-range": "bytes 100-99/1000"}, Verdict.UNUSABLE),
        (206, PART | {"content-range": "lines 100-199/1000"}, Verdict.UNUSABLE),
        (206, PART | {"content-length": "99"}, Verdict.UNUSABLE),
        (206, {"content-type": "multipart/byteranges; boundary=x"}, Verdict.UNUSABLE),
        (206, PART | {"content-encoding": "gzip"}, Verdict.UNUSABLE),
        (206, PART | {"content-range": "bytes 100-199/1001"}, Verdict.OTHER_SIZE),
        (200, {"content-length": "1000"}, Verdict.WHOLE),
        (200, {}, Verdict.WHOLE),
        (200, {"content-length": "999"}, Verdict.OTHER_SIZE),
        (200, {"content-length": "²"}, Verdict.OTHER_SIZE),
        (200, {"content-type": "text/html; charset=utf-8"}, Verdict.EXPIRED),
        (416, {"content-range": "bytes */50"}, Verdict.OTHER_SIZE),
        (416, {}, Verdict.UNUSABLE),
        (400, {}, Verdict.EXPIRED),
        (401, {}, Verdict.EXPIRED),
        (403, {}, Verdict.EXPIRED),
        (404, {}, Verdict.EXPIRED),
        (410, {}, Verdict.EXPIRED),
        (408, {}, Verdict.UNUSABLE),
        (304, {}, Verdict.UNUSABLE),
        (500, {}, Verdict.UNUSABLE),
        (502, {}, Verdict.UNUSABLE),
        (429, {}, Verdict.UNUSABLE),
        (503, {"retry-after": "3"}, Verdict.UNUSABLE),
    ],
)
def test_verdicts(status: int, headers: dict[str, str], verdict: Verdict) -> None:
    assert judge_answer(status, headers, WANTED, SIZE).verdict is verdict


def test_a_shorter_part_says_where_it_ends() -> None:
    assert judge_answer(206, {"content-range": "bytes 100-149/1000"}, WANTED, SIZE).end == 150


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 59.0),
        ("Fri, 31 Dec 1999 23:58:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", None),
        ("", None),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, datetime(1999, 12, 31, 23, 59, 0, tzinfo=UTC)) == seconds
