"""The sha256 of a file, read in large pieces."""

import hashlib
from collections.abc import Callable
from pathlib import Path

PIECE_BYTES = 4 << 20


def sha256_of(path: Path, on_progress: Callable[[int], None] | None = None) -> str:
    """Hash a file; `on_progress` is told after each piece how many bytes were read so far. Raises OSError."""
    digest, done_bytes = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            done_bytes += len(piece)
            if on_progress is not None:
                on_progress(done_bytes)
    return digest.hexdigest()
