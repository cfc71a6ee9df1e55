"""The engine's log files: one per worker, the newest few kept; and what a log says about a failure."""

import contextlib
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from g4run.errors import LoadFailed

_KEPT_LOGS = 10
_FUNCTION_NAME = re.compile(r"^\w+: (?=\w+ )")
_REASON = re.compile(
    r"(?P<assertion>GGML_ASSERT\(.*)"
    r"|(?:error loading model(?: \w+)?: (?P<loading>.+))"
    r"|(?:\w+: (?:error: )?(?P<failed>(?:failed to|cannot|unable to|could not|invalid|unknown) .+))"
)


def new_log_path(directory: Path) -> Path:
    """Make a new worker's log in `directory`, which is made too; older logs beyond the newest ten are removed.

    Raises LoadFailed where nothing can be written there.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    path = directory / f"engine-{stamp}-{os.getpid()}.log"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"the engine's log cannot be written in {directory}: {reason}"
        raise LoadFailed(message, "set G4RUN_HOME to a directory that can be written") from None
    for old in sorted(directory.glob("engine-*.log"))[:-_KEPT_LOGS]:
        with contextlib.suppress(OSError):  # another's, or in use on Windows
            old.unlink()
    return path


def read_from(path: str | Path, offset: int = 0) -> str:
    """Text of a log from a byte offset on; what is not UTF-8 is replaced, and a log that is gone says nothing."""
    try:
        with Path(path).open("rb") as file:
            file.seek(offset)
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def failure_reason(log_text: str) -> str:
    """The most telling line of llama.cpp's log, without the name of the C function; empty when there is none.

    An assertion says most; then "error loading model: …"; then the first "failed to …".
    """
    found: dict[str, str] = {}
    for match in _REASON.finditer(log_text):
        kind = match.lastgroup or ""
        found.setdefault(kind, (match[kind] or "").strip())
    for kind in ("assertion", "loading", "failed"):
        if kind in found:
            return _FUNCTION_NAME.sub("", found[kind]).rstrip(".")
    return ""


def note(text: str) -> None:
    """Write to the log from the worker, whose stderr it is; a full disk must not end the engine."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
