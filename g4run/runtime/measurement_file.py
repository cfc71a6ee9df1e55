"""What g4run remembers of this machine: lists in small JSON files, {"version": …, NAME: […]}, the latest last.

A file that makes no sense counts as empty; one of a newer g4run is left alone.
"""

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from g4run.files import read_shared

LARGEST_FILE_BYTES = 1 << 20


def read_entries(path: Path, name: str, newest: int, most: int) -> Sequence[object] | None:
    """The last `most` entries of a file of version `newest`; None for a file of a newer g4run."""
    try:
        content = read_shared(path)
        document: object = json.loads(content) if len(content) <= LARGEST_FILE_BYTES else None
    except (OSError, ValueError, RecursionError):
        return ()
    if not isinstance(document, dict):
        return ()
    number, entries = document.get("version"), document.get(name)
    if isinstance(number, int) and number > newest:
        return None
    return entries[-most:] if number == newest and isinstance(entries, list) else ()


def library_version() -> str:
    """Release of llama.cpp's bindings, without importing them; empty where they are not installed as a package."""
    try:
        return version("llama-cpp-python")
    except PackageNotFoundError:
        return ""
