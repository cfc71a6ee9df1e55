"""LM Studio's models: USER/REPOSITORY/FILE.gguf in its own folder, or in one set in LM Studio."""

import json
from collections.abc import Iterator
from pathlib import Path

from g4run.settings import Settings


def lm_studio_directories(settings: Settings) -> tuple[Path, ...]:
    """Return the folders that may contain models, the one set in LM Studio first; they may not exist."""
    home = settings.home_directory
    usual = (home / ".lmstudio" / "models", home / ".cache" / "lm-studio" / "models")
    chosen = _chosen_directory(home / ".lmstudio" / "settings.json")
    return tuple(dict.fromkeys((chosen, *usual) if chosen else usual))


def lm_studio_files(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Yield every GGUF file, with USER/REPOSITORY/FILE; skip folders that cannot be read."""
    for directory in lm_studio_directories(settings):
        for user in _folders(directory):
            for repository in _folders(user):
                for path in _entries(repository):
                    if path.suffix.lower() == ".gguf":
                        yield path, f"{user.name}/{repository.name}/{path.name}"


def _chosen_directory(path: Path) -> Path | None:
    try:
        document: object = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    folder: object = document.get("downloadsFolder") if isinstance(document, dict) else None
    if not isinstance(folder, str) or not folder or "\0" in folder:
        return None
    directory = Path(folder)
    return directory if directory.is_absolute() else None


def _folders(directory: Path) -> list[Path]:
    return [entry for entry in _entries(directory) if not entry.name.startswith(".")]


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except (OSError, ValueError):
        return []
