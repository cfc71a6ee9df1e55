"""LM Studio's models: USER/REPOSITORY/FILE.gguf in its own folder, or in one set in LM Studio."""

import json
from collections.abc import Iterator
from pathlib import Path

from g4run.models.external.ollama import find_files
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
        for path in find_files(directory, "[!.]*/[!.]*/*"):
            if path.suffix.lower() == ".gguf":
                yield path, path.relative_to(directory).as_posix()


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
