"""Read the header of a model on the Hub without the model, and cache it on disk by the file's digest."""

import hashlib
import re
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from g4run.errors import DiskFull, InvalidModelFile, NetworkError, NotWritable
from g4run.files import write_atomically
from g4run.models.download.source import SourceOptions
from g4run.models.gguf.header import GgufHeader, parse_header
from g4run.models.gguf.other_formats import LOCAL_HINTS
from g4run.models.gguf.shards import merge_headers, trim_metadata
from g4run.models.hub.client import Hub
from g4run.models.hub.header_stream import RemoteStart

_SUFFIX = ".header"

_DIGEST_BYTES = 32  # at the end of a cached header: the sha256 of the rest
_SAFE_NAME = re.compile(r"[0-9A-Za-z_-]{1,128}")


@dataclass(frozen=True, slots=True)
class RemoteHeader:
    """A header and what it cost; for a model in several files, all of them together.

    `size_bytes` is of the files; `wire_bytes` is what came of them, `requests` counts links and ranges.
    """

    header: GgufHeader
    size_bytes: int
    wire_bytes: int
    requests: int


def read_remote_header(
    hub: Hub,
    repository: str,
    commit: str,
    paths: str | Sequence[str],
    cache_directory: Path,
    options: SourceOptions | None = None,
) -> RemoteHeader:
    """Read the header of a model's file, or of all its parts in order.

    Raises InvalidModelFile that begins with the file's path, NetworkError, and what `Hub.locate` raises.
    """
    paths = (paths,) if isinstance(paths, str) else tuple(paths)
    reader = _Reader(hub, repository, commit, cache_directory, options or SourceOptions())
    # The first comes last: its metadata stay in memory, and a hostile part's are freed before the next part's arrive.
    later = [trim_metadata(reader.read(path)) for path in reversed(paths[1:])]
    header = reader.read(paths[0])
    if later:
        header = merge_headers(paths, [header, *reversed(later)])
    return RemoteHeader(header, reader.size_bytes, reader.wire_bytes, reader.requests)


class _Reader:
    """Read headers of one commit, and count the cost."""

    def __init__(self, hub: Hub, repository: str, commit: str, cache_directory: Path, options: SourceOptions) -> None:
        self._hub = hub
        self._repository = repository
        self._commit = commit
        self._cache_directory = cache_directory
        self._options = options
        self.size_bytes = self.wire_bytes = self.requests = 0

    def read(self, path: str) -> GgufHeader:
        """Read the header of one file, from the cache if it is there."""
        start = RemoteStart(
            self._hub.session, lambda: self._hub.locate(self._repository, self._commit, path), self._options
        )
        try:
            with closing(start):
                return self._read(start)
        except InvalidModelFile as error:
            hint = "" if error.hint in LOCAL_HINTS else error.hint  # nothing was downloaded
            raise InvalidModelFile(f"{path}: {error.message}", hint) from None
        except NetworkError as error:
            raise type(error)(f"the header of {self._repository}/{path}: {error.message}", error.hint) from error
        finally:
            self.size_bytes += start.link.size_bytes
            self.wire_bytes += start.wire_bytes
            self.requests += start.requests

    def _read(self, start: RemoteStart) -> GgufHeader:
        kept_at = _kept_at(self._cache_directory, start.link.etag)
        kept = _read_kept(kept_at, start.link.size_bytes)
        if kept is not None:
            return kept
        header = parse_header(start.read, start.link.size_bytes)
        start.close()  # first, because the rest of the range is still arriving
        _keep(kept_at, start.start(header.data_offset))
        return header


def _kept_at(directory: Path, etag: str) -> Path:
    """Return the path of a cached header; etags come from a server, and could be any path."""
    name = etag if _SAFE_NAME.fullmatch(etag) else hashlib.sha256(etag.encode()).hexdigest()
    return directory / f"{name}{_SUFFIX}"


def _read_kept(path: Path, size_bytes: int) -> GgufHeader | None:
    """Return the cached header; None if there is none, or it is damaged."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    data, digest = kept[:-_DIGEST_BYTES], kept[-_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        return None
    try:
        return parse_header(lambda offset, length: data[offset : offset + length], size_bytes)
    except InvalidModelFile:
        return None


def _keep(path: Path, data: bytes) -> None:
    """Cache a header, if the disk allows it."""
    with suppress(DiskFull, NotWritable):
        write_atomically(path, data + hashlib.sha256(data).digest())
