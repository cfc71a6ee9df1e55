"""The beginning of a file on the Hub, fetched as far as it is read: one request, ended when enough has come."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx2

from g4run.errors import AccessDenied, InvalidModelFile, NetworkError
from g4run.models.download.options import TransferOptions
from g4run.models.download.range_request import NETWORK_FAILURES, describe_failure, send_request
from g4run.models.download.range_response import RENEWED, Answer, Asked, Verdict, judge_answer
from g4run.models.download.remote_files import Link
from g4run.models.download.retry_policy import AttemptFailed, Retries
from g4run.units import render_bytes

RANGE_BYTES = 16 << 20  # of one request, at most; the header of a Gemma 4 is 15.8 MB, 15.77 of them vocabulary
MAX_START_BYTES = 32 << 20  # that are fetched and held in memory

_AGAIN = "run the same command again"


class RemoteStart:
    """The start of a remote file; `read` suits the GGUF reader, and waits for the network where it must.

    What came stays in memory. A break is mended from where it was; after `close`, what came is all there is.
    """

    def __init__(self, client: httpx2.Client, resolve: Callable[[], Link], options: TransferOptions) -> None:
        """Resolve the link. Raises what `resolve` raises."""
        self._client = client
        self._resolve = resolve
        self._options = options
        self._link = resolve()
        self._data = bytearray()
        self._response: httpx2.Response | None = None
        self._body: Iterator[bytes] = iter(())
        self._position = 0  # in the file, of what the body brings next
        self._end = 0  # in the file, of the body
        self._retries = Retries(options, _AGAIN)
        self._came_bytes = 0  # since the last failure
        self._renewals = 0  # in a row, without a byte in between
        self._is_closed = False
        self.wire_bytes = 0
        self.requests = 1

    @property
    def link(self) -> Link:
        """The link that was resolved last."""
        return self._link

    def read(self, offset: int, length: int) -> bytes:
        """What is there of `length` bytes from `offset`, at least one unless the file ends there.

        Raises NetworkError, InvalidModelFile for what is too far from the start, and what `resolve` raises.
        """
        if offset >= MAX_START_BYTES:
            raise InvalidModelFile(f"the header is longer than {render_bytes(MAX_START_BYTES)}")
        while len(self._data) <= offset < self._link.size_bytes and not self._is_closed:
            self._receive()
        return bytes(memoryview(self._data)[offset : offset + length])

    def start(self, length: int) -> bytes:
        """The first `length` bytes, as far as they came."""
        return bytes(memoryview(self._data)[:length])

    def close(self) -> None:
        """End the request; the rest of its range is not fetched."""
        self._is_closed = True
        self._end_request()

    def _receive(self) -> None:
        """One piece more, or one failure more."""
        try:
            if self._response is None:
                self._ask()
            chunk = next(self._body, b"")
        except NETWORK_FAILURES as error:
            self._fail(describe_failure(error))
            return
        if chunk:
            self._keep(chunk)
        elif self._response is not None:
            self._end_request()
            if self._position < self._end:
                self._fail("the server closed the connection too early")

    def _keep(self, chunk: bytes) -> None:
        self.wire_bytes += len(chunk)
        known = len(self._data) - self._position  # of a server that ignores ranges
        self._position += len(chunk)
        if known < len(chunk):
            self._data += chunk[max(0, known) :]
            self._came_bytes += len(chunk) - max(0, known)
            self._renewals = 0

    def _ask(self) -> None:
        """Ask for the next range; whatever is wrong with the answer leaves no body, or raises."""
        start, size = len(self._data), self._link.size_bytes
        asked = Asked(start, min(start + RANGE_BYTES, size), size)
        self.requests += 1
        response = self._response = send_request(self._client, self._link, asked, self._options)
        answer = judge_answer(response.status_code, response.headers, asked)
        if answer.verdict in (Verdict.PART, Verdict.WHOLE):
            self._position = start if answer.verdict is Verdict.PART else 0
            self._body, self._end = response.iter_raw(), answer.end
            return
        self._end_request()
        if answer.verdict in RENEWED:
            self._renew(answer)
        else:
            self._fail(answer.reason, answer.wait_seconds)

    def _end_request(self) -> None:
        response, self._response, self._body = self._response, None, iter(())
        if response is not None:
            with suppress(httpx2.HTTPError, OSError):
                response.close()

    def _renew(self, answer: Answer) -> None:
        """Resolve the link again, which may have expired."""
        self._renewals += 1
        reason = answer.reason or "the server has another file than the Hub says"
        if self._renewals > self._options.fresh_links:
            kind = AccessDenied if answer.verdict is Verdict.EXPIRED else NetworkError
            raise kind(f"{reason}, with a fresh link too", _AGAIN)
        self.requests += 1
        fresh = self._resolve()
        if (fresh.etag, fresh.size_bytes) != (self._link.etag, self._link.size_bytes):
            raise NetworkError("the file changed on the Hub while it was being read", _AGAIN)
        self._link = fresh

    def _fail(self, reason: str, wait_seconds: float | None = None) -> None:
        """Wait before the next attempt, or give up."""
        self._end_request()
        came_bytes, self._came_bytes = self._came_bytes, 0
        failure = AttemptFailed(reason, wait_seconds)
        time.sleep(self._retries.pause_seconds(failure, came_bytes, has_progress=came_bytes > 0))
