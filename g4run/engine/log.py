"""The engine's log files: one per worker, the newest few kept; and what a log says about a failure."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

_KEPT_LOGS = 10
_FUNCTION_NAME = re.compile(r"^\w+: (?=\w+ )")
_REASON = re.compile(
    r"(?P<assertion>GGML_ASSERT\(.*)"
    r"|(?:error loading model(?: \w+)?: (?P<loading>.+))"
    r"|(?:\w+: (?:error: )?(?P<failed>(?:failed to|cannot|unable to|could not|invalid|unknown) .+))"
)


def new_log_path(directory: Path) -> Path:
    """Path for a new worker's log in `directory`, which is made; older logs beyond the newest ten are removed."""
    directory.mkdir(parents=True, exist_ok=True)
    logs = sorted(directory.glob("engine-*.log"))
    for old in logs[: max(0, len(logs) - _KEPT_LOGS + 1)]:
        old.unlink(missing_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    return directory / f"engine-{stamp}-{os.getpid()}.log"


def read_from(path: str | Path, offset: int = 0) -> str:
    """Text of a log from a byte offset on; what is not UTF-8 is replaced."""
    with Path(path).open("rb") as file:
        file.seek(offset)
        return file.read().decode("utf-8", "replace")


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
