"""Read the start of a file on the Hub: one request, ended as soon as enough has arrived."""

import time
from collections.abc import Callable, Generator

import httpx2

from g4run.errors import InvalidModelFile
from g4run.models.download.retry_policy import AttemptFailed, Retries
from g4run.models.download.source import Body, Source, SourceOptions
from g4run.models.remote_files import Link
from g4run.units import render_bytes

RANGE_BYTES = 16 << 20  # at most, per request; the header of a Gemma 4 is 15.8 MB, 15.77 of them vocabulary
MAX_START_BYTES = 32 << 20  # at most, held in memory

_AGAIN = "run the same command again"


class RemoteStart:
    """The start of a remote file in memory; `read` is for the GGUF reader, and waits for the network."""

    def __init__(self, client: httpx2.Client, resolve: Callable[[], Link], options: SourceOptions) -> None:
        """Resolve the link. Raises what `resolve` raises."""
        self._source = Source(client, resolve, options, _AGAIN)
        self._retries = Retries(options.policy, _AGAIN)
        self._data = bytearray()
        self._arrivals = self._receive()
        self.wire_bytes = 0

    @property
    def link(self) -> Link:
        """The current link."""
        return self._source.link

    @property
    def requests(self) -> int:
        """The number of links and ranges requested."""
        return self._source.requests

    def read(self, offset: int, length: int) -> bytes:
        """Return at most `length` bytes from `offset`, at least one unless the file ends there.

        Raises NetworkError, InvalidModelFile for an offset too far from the start, and what `resolve` raises.
        """
        if offset >= MAX_START_BYTES:
            raise InvalidModelFile(f"the header is longer than {render_bytes(MAX_START_BYTES)}")
        while len(self._data) <= offset and next(self._arrivals, None):
            pass
        return bytes(memoryview(self._data)[offset : offset + length])

    def start(self, length: int) -> bytes:
        """Return the first `length` bytes, or those that have arrived."""
        return bytes(memoryview(self._data)[:length])

    def close(self) -> None:
        """End the request without reading the rest of its range."""
        self._arrivals.close()

    def _receive(self) -> Generator[int, None, None]:
        """Receive the file range by range, and resume after a broken connection; yield as bytes arrive."""
        size_bytes = self.link.size_bytes
        while (start := len(self._data)) < size_bytes:
            try:
                with self._source.request(start, min(start + RANGE_BYTES, size_bytes), start) as body:
                    yield from self._keep(body)
            except AttemptFailed as failure:
                came_bytes = len(self._data) - start
                time.sleep(self._retries.pause_seconds(failure, came_bytes, has_progress=came_bytes > 0))

    def _keep(self, body: Body | None) -> Generator[int, None, None]:
        position = body.position if body else 0
        for chunk in body.chunks() if body else ():
            self.wire_bytes += len(chunk)
            known = len(self._data) - position  # if the server ignores ranges
            position += len(chunk)
            if known < len(chunk):
                self._data += chunk[max(0, known) :]
                yield position
