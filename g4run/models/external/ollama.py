"""Ollama's models: manifests/HOST/NAMESPACE/MODEL/TAG refer to blobs by digest.

A manifest is JSON with layers; the one of type `application/vnd.ollama.image.model` is the weights, a GGUF file.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from g4run.models.hub_cache.cache import file_size
from g4run.settings import Settings

_MODEL_LAYER = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})", re.ASCII)
_LINUX_SERVICE = Path("/usr/share/ollama/.ollama/models")  # of the service that the Linux installer sets up
_DEFAULT_HOST, _DEFAULT_NAMESPACE = "registry.ollama.ai", "library"
_LARGEST_MANIFEST_BYTES = 1 << 20


def ollama_directories(settings: Settings) -> tuple[Path, ...]:
    """Return the directories that may contain models; they may not exist."""
    usual = (settings.home_directory / ".ollama" / "models", _LINUX_SERVICE)
    return tuple(dict.fromkeys((settings.ollama_directory, *usual) if settings.ollama_directory else usual))


def ollama_blob(directory: Path, sha256: str) -> Path:
    """Return the path of a blob, which may not exist."""
    return directory / "blobs" / f"sha256-{sha256}"


def ollama_models(settings: Settings) -> Iterator[tuple[Path, str, str]]:
    """Yield the weights, the name, and the digest of every tag whose weights exist; skip what cannot be read."""
    for directory in ollama_directories(settings):
        for path in find_files(directory / "manifests", "*/*/*/[!.]*"):
            digest = _model_digest(path)
            if digest is not None and file_size(ollama_blob(directory, digest)) is not None:
                name = _name_of(path.relative_to(directory / "manifests").parts)
                yield ollama_blob(directory, digest), name, digest


def _name_of(parts: tuple[str, ...]) -> str:
    """Return HOST/NAMESPACE/MODEL:TAG as Ollama shows it, without the defaults."""
    *place, model, tag = parts
    if place[:1] == [_DEFAULT_HOST]:
        place = place[1:]
        if place == [_DEFAULT_NAMESPACE]:
            place = []
    return "/".join((*place, f"{model}:{tag}"))


def _model_digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            document: object = json.loads(file.read(_LARGEST_MANIFEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    layers: object = document.get("layers") if isinstance(document, dict) else None
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and layer.get("mediaType") == _MODEL_LAYER:
            digest: object = layer.get("digest")
            match = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
            return match[1] if match else None
    return None


def find_files(directory: Path, pattern: str) -> list[Path]:
    """Return the files that match a pattern, in order; none if the directory cannot be read."""
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []
