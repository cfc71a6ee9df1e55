"""What the environment says: directories and overrides, read once into a frozen Settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from g4run.errors import UsageError

# name -> what it does; README's table and the help text are held to this.
ENVIRONMENT_VARIABLES = {
    "G4RUN_HOME": "one directory for all that g4run writes (default: the platform's data and log directories)",
    "G4RUN_THREADS": "threads for the CPU (default: physical cores within the container's limit; one for a tiny model)",
    "G4RUN_CONTEXT": "context length in tokens when --ctx is not given (default: 8192, or less if trained for less)",
    "NO_COLOR": "any value: no colour",
}

_MOST_THREADS = 512  # ggml.h: GGML_MAX_N_THREADS
_LONGEST_CONTEXT = 2**31 - 1  # llama.cpp counts in 32-bit signed integers


@dataclass(frozen=True, slots=True)
class Settings:
    """Directories that g4run may write to, and overrides; `None` leaves the choice to the program."""

    data_directory: Path
    log_directory: Path
    threads: int | None = None
    context_length: int | None = None
    colour: bool = True


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from environment variables; directories are named, not made. Raises UsageError."""
    data_directory, log_directory = _find_directories(environment.get("G4RUN_HOME"))
    return Settings(
        data_directory=data_directory,
        log_directory=log_directory,
        threads=_parse_positive(environment, "G4RUN_THREADS", _MOST_THREADS),
        context_length=_parse_positive(environment, "G4RUN_CONTEXT", _LONGEST_CONTEXT),
        colour=not environment.get("NO_COLOR"),
    )


def _find_directories(home: str | None) -> tuple[Path, Path]:
    try:
        return _directories(Path(home).expanduser() if home else None)
    except RuntimeError:  # of pathlib and of platformdirs, both for a home directory that nobody knows
        missing = f"G4RUN_HOME names no home directory: {home}" if home else "this user has no home directory"
        raise UsageError(missing, "set G4RUN_HOME to the full path of a directory that can be written") from None


def _directories(home: Path | None) -> tuple[Path, Path]:
    if home is not None:
        return home, home / "logs"
    import platformdirs  # noqa: PLC0415 - 10 ms that --help and --version need not pay

    return (
        Path(platformdirs.user_data_dir("g4run", appauthor=False)),
        Path(platformdirs.user_log_dir("g4run", appauthor=False)),
    )


def _parse_positive(environment: Mapping[str, str], name: str, most: int) -> int | None:
    text = environment.get(name)
    if not text:
        return None
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not digits:
        raise UsageError(f"{name} must be a positive whole number, not {text!r}", f"unset {name}")
    if len(digits) > len(str(most)) or int(digits) > most:  # int() itself refuses 4,300 digits
        raise UsageError(f"{name} must be at most {most}", f"unset {name}")
    return int(digits)
