"""Read ranges of a file on a server, through a link that expires and is renewed."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx2

from g4run.errors import AccessDenied, NetworkError, Offline
from g4run.models.download.range_response import (
    NETWORK_FAILURES,
    RENEWED,
    Answer,
    Verdict,
    describe_failure,
    judge_answer,
)
from g4run.models.download.retry_policy import AttemptFailed, RetryPolicy
from g4run.models.remote_files import Link


class Body:
    """The bytes of a file from `position` to `end`; `is_whole` if the server ignores ranges."""

    def __init__(self, response: httpx2.Response, position: int, end: int, *, is_whole: bool) -> None:
        self._response = response
        self.position = position
        self.end = end
        self.is_whole = is_whole

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes as they arrive. Raises AttemptFailed if the connection breaks."""
        raw, position = self._response.iter_raw(), self.position
        while position < self.end:
            with _network_failures():
                chunk = next(raw, b"")
            if not chunk:
                raise AttemptFailed("the server closed the connection too early")
            position += len(chunk)
            yield chunk
        with suppress(*NETWORK_FAILURES):
            next(raw, b"")  # the end of the message, so that the connection can be reused

    def interrupt(self) -> None:
        """Wake the thread that waits for data; called from another thread."""
        stream = self._response.extensions.get("network_stream")
        connected = stream.get_extra_info("socket") if stream else None
        if isinstance(connected, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # SSLSocket's own is not thread-safe


class Source:
    """One file; a thread that finds the link expired renews it, and the others wait."""

    def __init__(self, client: httpx2.Client, resolve: Callable[[], Link], policy: RetryPolicy, hint: str) -> None:
        """Resolve the first link. Raises what `resolve` raises."""
        self._client = client
        self._resolve = resolve
        self._policy = policy
        self._hint = hint
        self._lock = threading.Lock()
        self._renewals = 0  # without progress in between
        self._progress_bytes = -1
        self.link = resolve()

    @contextmanager
    def request(self, start: int, end: int, progress_bytes: int) -> Iterator[Body | None]:
        """Request a range; yield None if the link was renewed instead.

        `progress_bytes` shows whether anything arrived since the last renewal. Raises AttemptFailed, NetworkError if
        new links do not help, and what `resolve` raises.
        """
        link = self.link
        with _network_failures():
            response = self._send(link, start, end)
        try:
            answer = judge_answer(response.status_code, response.headers, (start, end), link.size_bytes)
            if answer.verdict in RENEWED:
                self._renew(link, answer, progress_bytes)
                yield None
            elif answer.verdict in (Verdict.PART, Verdict.WHOLE):
                is_whole = answer.verdict is Verdict.WHOLE
                yield Body(response, 0 if is_whole else start, answer.end, is_whole=is_whole)
            else:
                raise AttemptFailed(answer.reason, answer.wait_seconds)
        finally:
            with suppress(httpx2.HTTPError, OSError):
                response.close()

    def _send(self, link: Link, start: int, end: int) -> httpx2.Response:
        """Request a range, without reading the body of the answer."""
        headers = {**link.headers, "Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        timeout = httpx2.Timeout(self._policy.stall_seconds, connect=self._policy.connect_seconds)
        request = self._client.build_request("GET", link.url, headers=headers, timeout=timeout)
        return self._client.send(request, stream=True, follow_redirects=True)

    def _renew(self, used: Link, answer: Answer, progress_bytes: int) -> None:
        with self._lock:
            if used is not self.link:  # another thread has renewed it
                return
            self._count(answer, progress_bytes)
            fresh = self._resolve_again()
            if (fresh.etag, fresh.size_bytes) != (used.etag, used.size_bytes):
                raise NetworkError(
                    "the file changed on the Hub while it was being downloaded", "run the same command again"
                )
            self.link = fresh

    def _resolve_again(self) -> Link:
        try:
            return self._resolve()
        except (AccessDenied, Offline):
            raise
        except NetworkError as error:
            raise AttemptFailed(error.message, error=error) from error

    def _count(self, answer: Answer, progress_bytes: int) -> None:
        self._renewals = self._renewals + 1 if progress_bytes == self._progress_bytes else 1
        self._progress_bytes = progress_bytes
        if self._renewals > (1 if answer.verdict is Verdict.OTHER_SIZE else self._policy.fresh_links):
            if answer.verdict is Verdict.EXPIRED:
                raise AccessDenied(f"{answer.reason}, and new links too", self._hint)
            raise NetworkError(answer.reason, self._hint)


@contextmanager
def _network_failures() -> Iterator[None]:
    """Turn network errors into AttemptFailed."""
    try:
        yield
    except NETWORK_FAILURES as error:
        raise AttemptFailed(describe_failure(error)) from error
