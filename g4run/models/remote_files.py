"""Repositories, files, and links as the Hub describes them."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from g4run.models.digest import Sha256


class RemoteFile(msgspec.Struct, frozen=True):
    """A file of a repository; `sha256` is known for large files, which are in Git LFS."""

    path: Annotated[str, Meta(min_length=1)]
    size_bytes: Annotated[int, Meta(ge=1)] | None
    sha256: Sha256 | None


class RemoteRepository(msgspec.Struct, frozen=True):
    """The files of one commit; `id` is in the Hub's spelling."""

    id: str
    commit: str
    files: tuple[RemoteFile, ...]

    def find(self, path: str) -> RemoteFile | None:
        """Find the file at a path."""
        return next((file for file in self.files if file.path == path), None)


class Link(msgspec.Struct, frozen=True):
    """A download link that expires, with headers that must not be sent anywhere else.

    `etag` is the name of the file's blob in the cache: the sha256 of a large file, Git's own digest of a small one.
    """

    url: str
    headers: Mapping[str, str]
    size_bytes: int
    etag: str
