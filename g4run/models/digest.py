"""Compute and recognize SHA-256 digests of files."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from msgspec import Meta

PIECE_BYTES = 4 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

Sha256 = Annotated[str, Meta(pattern=rf"^{_SHA256.pattern}\Z")]


def is_sha256(text: str) -> bool:
    """Return whether a text is a digest in lower-case hexadecimal."""
    return _SHA256.fullmatch(text) is not None


def sha256_of(path: Path, on_progress: Callable[[int], None] | None = None) -> str:
    """Hash a file; `on_progress` gets the number of bytes read so far after each piece. Raises OSError."""
    import hashlib  # noqa: PLC0415 - takes 4 ms, and `g4run list` hashes nothing

    digest, done_bytes = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            done_bytes += len(piece)
            if on_progress is not None:
                on_progress(done_bytes)
    return digest.hexdigest()
