"""Read the header of a model on the Hub without the model, and cache it on disk by the file's digest.

Each file takes one request, which ends as soon as enough has arrived.
"""

import hashlib
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2

from g4run.errors import DiskFull, InvalidModelFile, NetworkError, NotWritable
from g4run.files import write_atomically
from g4run.models.download.retry_policy import DOWNLOADS, AttemptFailed, Retries, RetryPolicy
from g4run.models.download.source import Body, Source
from g4run.models.gguf.header import GgufHeader, parse_header
from g4run.models.gguf.other_formats import LOCAL_HINTS
from g4run.models.gguf.shards import merge_headers, trim_metadata
from g4run.models.hub.client import Hub
from g4run.models.remote_files import Link
from g4run.units import render_bytes

RANGE_BYTES = 16 << 20  # at most, per request; the header of a Gemma 4 is 15.8 MB, 15.77 of them vocabulary
MAX_START_BYTES = 32 << 20  # at most, held in memory

_DIGEST_BYTES = 32  # at the end of a cached header: the sha256 of the rest
_AGAIN = "run the same command again"


@dataclass(frozen=True, slots=True)
class RemoteHeader:
    """A header, and how many bytes were downloaded to read it."""

    header: GgufHeader
    wire_bytes: int


def read_remote_header(
    hub: Hub, repository: str, commit: str, paths: Sequence[str], cache_directory: Path, policy: RetryPolicy = DOWNLOADS
) -> RemoteHeader:
    """Read the header of a model's file, or of all its parts in order.

    Raises InvalidModelFile that begins with the file's path, NetworkError, and what `Hub.locate` raises.
    """
    parts: list[GgufHeader] = []
    wire_bytes = 0
    # The first comes last: its metadata stay in memory, and a hostile part's are freed before the next part's arrive.
    for path in reversed(paths):
        start = _RemoteStart(hub.session, partial(hub.locate, repository, commit, path), policy)
        try:
            header = _read_cached(start, cache_directory / f"{start.link.etag}.header")
        except InvalidModelFile as error:
            hint = "" if error.hint in LOCAL_HINTS else error.hint  # nothing was downloaded
            raise InvalidModelFile(f"{path}: {error.message}", hint) from None
        except NetworkError as error:
            raise type(error)(f"the header of {repository}/{path}: {error.message}", error.hint) from error
        parts.insert(0, header if path == paths[0] else trim_metadata(header))
        wire_bytes += start.wire_bytes
    return RemoteHeader(parts[0] if len(parts) == 1 else merge_headers(paths, parts), wire_bytes)


class _RemoteStart:
    """The start of a remote file in memory; `read` is for the GGUF reader, and waits for the network."""

    def __init__(self, client: httpx2.Client, resolve: Callable[[], Link], policy: RetryPolicy) -> None:
        """Resolve the link. Raises what `resolve` raises."""
        self._source = Source(client, resolve, policy, _AGAIN)
        self._retries = Retries(policy, _AGAIN)
        self._arrivals = self._receive()
        self.link = self._source.link
        self.data = bytearray()
        self.wire_bytes = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return at most `length` bytes from `offset`, at least one unless the file ends there.

        Raises NetworkError, InvalidModelFile for an offset too far from the start, and what `resolve` raises.
        """
        if offset >= MAX_START_BYTES:
            raise InvalidModelFile(f"the header is longer than {render_bytes(MAX_START_BYTES)}")
        while len(self.data) <= offset and next(self._arrivals, None):
            pass
        return bytes(memoryview(self.data)[offset : offset + length])

    def close(self) -> None:
        """End the request without reading the rest of its range."""
        self._arrivals.close()

    def _receive(self) -> Generator[int, None, None]:
        """Receive the file range by range, and resume after a broken connection; yield as bytes arrive."""
        size_bytes = self.link.size_bytes
        while (start := len(self.data)) < size_bytes:
            try:
                with self._source.request(start, min(start + RANGE_BYTES, size_bytes), start) as body:
                    yield from self._keep(body)
            except AttemptFailed as failure:
                came_bytes = len(self.data) - start
                time.sleep(self._retries.pause_seconds(failure, came_bytes, has_progress=came_bytes > 0))

    def _keep(self, body: Body | None) -> Generator[int, None, None]:
        position = body.position if body else 0
        for chunk in body.chunks() if body else ():
            self.wire_bytes += len(chunk)
            known = len(self.data) - position  # if the server ignores ranges
            position += len(chunk)
            if known < len(chunk):
                self.data += chunk[max(0, known) :]
                yield position


def _read_cached(start: _RemoteStart, path: Path) -> GgufHeader:
    """Read the header from its file in the cache; otherwise download it, and cache it if the disk allows."""
    with suppress(OSError, InvalidModelFile):
        cached = path.read_bytes()
        data, digest = cached[:-_DIGEST_BYTES], cached[-_DIGEST_BYTES:]
        if hashlib.sha256(data).digest() == digest:
            return parse_header(lambda offset, length: data[offset : offset + length], start.link.size_bytes)
    with closing(start):  # before it is cached, because the rest of the range is still arriving
        header = parse_header(start.read, start.link.size_bytes)
    data = bytes(start.data[: header.data_offset])
    with suppress(DiskFull, NotWritable):
        write_atomically(path, data + hashlib.sha256(data).digest())
    return header
