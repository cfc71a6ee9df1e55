"""One connection of a transfer: takes segments, asks for them, writes what comes, and tries again when it breaks."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx2

from g4run.models.download.link import KEPT, SharedLink
from g4run.models.download.options import TransferOptions
from g4run.models.download.partial_file import PartialFile
from g4run.models.download.range_request import NETWORK_FAILURES, describe_failure, send_request
from g4run.models.download.range_response import RENEWED, Asked, Verdict, judge_answer
from g4run.models.download.remote_files import Link
from g4run.models.download.retry_policy import AttemptFailed, Retries
from g4run.models.download.segments import Schedule, Segment


class Connection:
    """What one thread of a transfer does, until the file is whole or the transfer stops."""

    def __init__(
        self, client: httpx2.Client, link: SharedLink, file: PartialFile, schedule: Schedule, options: TransferOptions
    ) -> None:
        self._client = client
        self._link = link
        self._file = file
        self._schedule = schedule
        self._options = options
        self._retries = Retries(options, KEPT)
        self._progress_bytes = 0
        self._response: httpx2.Response | None = None
        self.wire_bytes = 0

    def run(self) -> None:
        """Fetch segments until there are none. Raises G4RunError when trying on is of no use."""
        while segment := self._schedule.take():
            came = self.wire_bytes
            failure: AttemptFailed | None = None
            try:
                self._fetch(segment)
            except AttemptFailed as failed:
                failure = failed
            self._schedule.give_back(segment)
            if failure and not self._schedule.is_stopped:
                self._pause(failure, self.wire_bytes - came)

    @property
    def is_receiving(self) -> bool:
        """Whether there may be something to write; a thread that waits for an answer has nothing."""
        return self._response is not None

    def interrupt(self) -> None:
        """Wake the thread if it waits for bytes; called from another one."""
        response = self._response
        stream = response.extensions.get("network_stream") if response else None
        connected = stream.get_extra_info("socket") if stream else None
        if isinstance(connected, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not SSLSocket's own, which is for its own thread

    def _fetch(self, segment: Segment) -> None:
        link = self._link.current
        asked = Asked(segment.position, segment.end, self._schedule.size_bytes, self._link.server_etags)
        with self._ask(link, asked) as response:
            answer = judge_answer(response.status_code, response.headers, asked)
            if answer.verdict in RENEWED:
                self._link.renew(link, answer, self._schedule.present_bytes)
            elif answer.verdict is Verdict.PART:
                self._link.accept(answer.etag)
                self._receive(response, segment, asked.start, answer.end)
            elif answer.verdict is Verdict.WHOLE:
                self._link.accept(answer.etag)
                if self._schedule.stream_whole(segment):
                    self._receive(response, segment, 0, answer.end)
            else:
                raise AttemptFailed(answer.reason, answer.wait_seconds)

    @contextmanager
    def _ask(self, link: Link, asked: Asked) -> Iterator[httpx2.Response]:
        with _network_failures():
            response = send_request(self._client, link, asked, self._options)
        self._response = response
        try:
            yield response
        finally:
            self._response = None
            with suppress(httpx2.HTTPError, OSError):
                response.close()

    def _receive(self, response: httpx2.Response, segment: Segment, position: int, end: int) -> None:
        """Write a body that starts at `position`; whatever happens, what came of it is written."""
        body = response.iter_raw()
        chunks: list[bytes] = []
        held, began = 0, time.monotonic()
        failure: AttemptFailed | None = None
        while position + held < min(end, segment.end) and not self._schedule.is_ending:
            try:
                chunk = _next_chunk(body)
            except AttemptFailed as failed:
                failure = failed
                break
            self.wire_bytes += len(chunk)
            chunks.append(chunk)
            held += len(chunk)
            if held >= self._options.block_bytes or time.monotonic() - began > self._options.block_seconds:
                self._write(segment, position, chunks)
                position, held, began = position + held, 0, time.monotonic()
                chunks.clear()
        self._write(segment, position, chunks)
        if failure:
            raise failure
        if position + held == end:
            with suppress(AttemptFailed):
                _next_chunk(body)  # the end of the message, so that the connection can be used again

    def _write(self, segment: Segment, start: int, chunks: list[bytes]) -> None:
        data = memoryview(b"".join(chunks))
        for first, last in self._schedule.wanted(segment, start, start + len(data)):
            self._file.write(first, data[first - start : last - start])
            self._schedule.record(first, last)
        segment.position = start + len(data)

    def _pause(self, failure: AttemptFailed, came_bytes: int) -> None:
        """Wait before the next attempt, or give up."""
        present = self._schedule.present_bytes
        has_progress, self._progress_bytes = present != self._progress_bytes, present
        self._schedule.pause(self._retries.pause_seconds(failure, came_bytes, has_progress=has_progress))


def _next_chunk(body: Iterator[bytes]) -> bytes:
    with _network_failures():
        chunk = next(body, b"")
    if not chunk:
        raise AttemptFailed("the server closed the connection too early")
    return chunk


@contextmanager
def _network_failures() -> Iterator[None]:
    """Whatever the network does, as a failure of this attempt."""
    try:
        yield
    except NETWORK_FAILURES as error:
        raise AttemptFailed(describe_failure(error)) from error
