"""The engine's log files: one per worker, the newest ten kept; and the reason for a failure in one."""

import contextlib
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from g4run.errors import LoadFailed

_KEPT_LOGS = 10
_FUNCTION_NAME = r"^\w+: (?=\w+ )"
_REASONS = (  # the most informative first
    r"(GGML_ASSERT\(.*)",
    r"ggml-rpc\.cpp:\d+: (.+)",  # a lost server
    r"error loading model(?: \w+)?: (.+)",
    r"\w+: (?:error: )?((?:failed to|cannot|unable to|could not|invalid|unknown) .+)",
)


def new_log_path(directory: Path) -> Path:
    """Create a worker's log in `directory`, creating that too, and remove all but the newest ten logs.

    Raises LoadFailed if the directory is not writable.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    path = directory / f"engine-{stamp}-{os.getpid()}.log"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot write the engine's log in {directory}: {reason}"
        raise LoadFailed(message, "set G4RUN_HOME to a writable directory") from None
    for old in sorted(directory.glob("engine-*.log"))[:-_KEPT_LOGS]:
        with contextlib.suppress(OSError):  # owned by another user, or in use on Windows
            old.unlink()
    return path


def read_from(path: str | Path, offset: int = 0) -> str:
    """Return a log's text from a byte offset; invalid UTF-8 is replaced, and a missing log is empty."""
    try:
        with Path(path).open("rb") as file:
            file.seek(offset)
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def failure_reason(log_text: str) -> str:
    """Return the most informative line of llama.cpp's log, without the C function's name; empty if there is none."""
    found = next((found for pattern in _REASONS if (found := re.search(pattern, log_text))), None)
    return re.sub(_FUNCTION_NAME, "", found[1].strip()).rstrip(".") if found else ""


def note(text: str) -> None:
    """Write to the worker's log, which is its stderr; ignores a full disk."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
