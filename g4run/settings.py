"""Settings from the environment: directories and overrides, read once."""

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template

import msgspec

from g4run.errors import UsageError

# Name -> what it does; a test compares docs/environment.md with this.
ENVIRONMENT_VARIABLES = {
    "G4RUN_HOME": "directory for everything g4run writes (default: the platform's data and log directories)",
    "G4RUN_THREADS": "number of CPU threads (default: physical cores, up to the container's limit; 1 for a tiny model)",
    "G4RUN_CONTEXT": "context length in tokens without --ctx (default: 8192, or less for a model trained for less)",
    "HF_HOME": "directory of the Hugging Face tools (default: ~/.cache/huggingface); models are in `hub` in it",
    "HF_HUB_CACHE": "directory of the models, if it is not `hub` in HF_HOME",
    "HF_ENDPOINT": "address of the Hub (default: https://huggingface.co)",
    "HF_TOKEN": "access token for gated and private repositories (default: the token that `hf auth login` stored)",
    "HF_HUB_OFFLINE": "set to 1 to make no network requests",
    "HTTPS_PROXY": "proxy for downloads",
    "OLLAMA_MODELS": "Ollama's model directory (default: ~/.ollama/models)",
    "NO_COLOR": "set to any value to turn off colors",
}

DEFAULT_ENDPOINT = "https://huggingface.co"
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})  # what huggingface_hub takes for true, in any case

_MOST_THREADS = 512  # ggml.h: GGML_MAX_N_THREADS
_LONGEST_CONTEXT = 2**31 - 1  # llama.cpp counts in 32-bit signed integers


class Settings(msgspec.Struct, frozen=True):
    """Directories that g4run uses, and overrides; with `None` the program chooses."""

    data_directory: Path
    log_directory: Path
    threads: int | None = None
    context_length: int | None = None
    colour: bool = True
    home_directory: Path = Path()  # where other programs keep their models
    hub_cache: Path = Path()  # the Hugging Face cache: models--USER--REPOSITORY directories
    makes_links: bool = True  # in the cache; else a snapshot holds the files themselves
    hub_endpoint: str = DEFAULT_ENDPOINT
    is_offline: bool = False
    ollama_directory: Path | None = None  # OLLAMA_MODELS, where it is set


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read settings from environment variables, without creating directories. Raises UsageError."""
    data_directory, log_directory = _find_directories(environment.get("G4RUN_HOME"))
    home = _home_directory(environment)
    ollama = environment.get("OLLAMA_MODELS")
    return Settings(
        data_directory=data_directory,
        log_directory=log_directory,
        threads=_parse_positive(environment, "G4RUN_THREADS", _MOST_THREADS),
        context_length=_parse_positive(environment, "G4RUN_CONTEXT", _LONGEST_CONTEXT, thousand=1024),
        colour=not environment.get("NO_COLOR"),
        home_directory=home,
        hub_cache=_hub_cache(environment, home),
        makes_links=not _is_true(environment.get("HF_HUB_DISABLE_SYMLINKS")),
        hub_endpoint=(environment.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/"),
        is_offline=_is_true(environment.get("HF_HUB_OFFLINE") or environment.get("TRANSFORMERS_OFFLINE")),
        ollama_directory=Path(ollama) if ollama else None,
    )


def _home_directory(environment: Mapping[str, str]) -> Path:
    """Return the user's home directory, or an empty place if the system does not know it."""
    given = environment.get("HOME") or environment.get("USERPROFILE")
    if given:
        return Path(given)
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


def _hub_cache(environment: Mapping[str, str], home: Path) -> Path:
    """Return the directory that huggingface_hub's constants.py would choose."""
    cache = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    if cache:
        return _expand(cache, environment, home)
    hugging_face = environment.get("HF_HOME")
    if hugging_face:
        return _expand(hugging_face, environment, home) / "hub"
    general = environment.get("XDG_CACHE_HOME")
    return (_expand(general, environment, home) if general else home / ".cache") / "huggingface" / "hub"


def _expand(text: str, environment: Mapping[str, str], home: Path) -> Path:
    """Expand a leading ~ and $VARIABLES as huggingface_hub does."""
    text = Template(text).safe_substitute(environment)
    return home / text[2:] if text.startswith("~/") else home if text == "~" else Path(text)


def _is_true(text: str | None) -> bool:
    return (text or "").upper() in _TRUE


def _find_directories(home: str | None) -> tuple[Path, Path]:
    try:
        return _directories(Path(home).expanduser() if home else None)
    except RuntimeError:  # from pathlib and platformdirs, if the system does not know the home directory
        missing = f"the home directory in G4RUN_HOME is unknown: {home}" if home else "this user has no home directory"
        raise UsageError(missing, "set G4RUN_HOME to the full path of a writable directory") from None


def _directories(home: Path | None) -> tuple[Path, Path]:
    if home is not None:
        return home, home / "logs"
    import platformdirs  # noqa: PLC0415 - takes 10 ms, which --help and --version do not need

    return (
        Path(platformdirs.user_data_dir("g4run", appauthor=False)),
        Path(platformdirs.user_log_dir("g4run", appauthor=False)),
    )


def _parse_positive(environment: Mapping[str, str], name: str, most: int, thousand: int = 0) -> int | None:
    """Parse a number; `thousand` is what a k after it means, 0 if it means nothing."""
    text = environment.get(name)
    if not text:
        return None
    unit = thousand if thousand and text[-1] in "kK" else 1
    number = text[:-1] if unit > 1 else text
    digits = number.lstrip("0") if number.isascii() and number.isdigit() else ""
    if not digits:
        raise UsageError(f"{name} must be a positive whole number, not {text!r}", f"unset {name}")
    if len(digits) > len(str(most)) or int(digits) * unit > most:  # int() itself refuses 4,300 digits
        raise UsageError(f"{name} must be at most {most}", f"unset {name}")
    return int(digits) * unit
