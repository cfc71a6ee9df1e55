"""Read catalog.toml into values."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from g4run.models.catalog.values import CompanionFile, Quality, Sampling
from g4run.models.names.parse import Size

REFRESHED_NAME = "catalog.json"  # in the data directory; overlay.py reads it
BUILT_IN_PATH = Path(__file__).with_name("catalog.toml")
_UNITS = {"bytes": 1, "gib": 1 << 30, "mib": 1 << 20, "gb": 10**9, "mb": 10**6}


class _Bytes(TypedDict, total=False):
    """At most one of these; none if the size is unknown."""

    bytes: int  # exact
    gib: float
    mib: float
    gb: float
    mb: float


class _Measured(TypedDict):
    value: float
    study: str


class _File(_Bytes):
    quantization: str
    path: NotRequired[str]  # otherwise from the repository's pattern
    inferred: NotRequired[bool]
    shards: NotRequired[int]
    sha256: NotRequired[str]
    revision: NotRequired[str]
    quality: NotRequired[_Measured]


class _Companion(_Bytes):
    path: str
    inferred: NotRequired[bool]
    sha256: NotRequired[str]


class _Repository(TypedDict):
    id: str
    size: str
    pattern: str  # of file paths; {} stands for the quantization
    is_qat: NotRequired[bool]
    files: NotRequired[list[_File]]
    projectors: NotRequired[list[_Companion]]
    drafters: NotRequired[list[_Companion]]
    projectors_of: NotRequired[str]
    drafters_of: NotRequired[str]


class _Size(TypedDict):
    label: str
    parameters: int
    parameters_with_encoders: int
    context_length: int
    modalities: list[str]


class _Study(TypedDict):
    metric: str
    source: str
    is_confirmed: bool


class _License(TypedDict):
    id: str
    url: str


class _Sampling(TypedDict):
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    source: str


class _Document(TypedDict):
    license: _License
    sampling: _Sampling
    sizes: dict[str, _Size]
    studies: dict[str, _Study]
    repositories: list[_Repository]


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its repository lists it."""

    paths: tuple[str, ...]
    quantization: str
    size_bytes: int
    size_is_exact: bool
    path_is_confirmed: bool
    sha256: str | None
    revision: str | None
    quality: Quality | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository and its files; `projectors_of` and `drafters_of` name repositories with the companions it lacks."""

    id: str
    size: Size
    is_qat: bool
    models: tuple[ListedModel, ...]
    projectors: tuple[CompanionFile, ...]
    drafters: tuple[CompanionFile, ...]
    projectors_of: str | None
    drafters_of: str | None


@dataclass(frozen=True, slots=True)
class SizeSource:
    """The facts of a size without its files."""

    size: Size
    label: str
    parameters: int
    parameters_with_encoders: int
    context_length: int
    modalities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """The contents of catalog.toml."""

    sizes: tuple[SizeSource, ...]
    listings: tuple[Listing, ...]
    sampling: Sampling
    license: str  # SPDX
    license_url: str


def read_source(path: Path = BUILT_IN_PATH) -> Source:
    """Read the built-in catalog."""
    with path.open("rb") as file:
        document = cast(_Document, tomllib.load(file))
    studies = document["studies"]
    return Source(
        sizes=tuple(_size(name, facts) for name, facts in document["sizes"].items()),
        listings=tuple(_listing(repository, studies) for repository in document["repositories"]),
        sampling=Sampling(**document["sampling"]),
        license=document["license"]["id"],
        license_url=document["license"]["url"],
    )


def _size(name: str, facts: _Size) -> SizeSource:
    return SizeSource(
        Size(name),
        facts["label"],
        facts["parameters"],
        facts["parameters_with_encoders"],
        facts["context_length"],
        tuple(facts["modalities"]),
    )


def _listing(repository: _Repository, studies: dict[str, _Study]) -> Listing:
    return Listing(
        id=repository["id"],
        size=Size(repository["size"]),
        is_qat=repository.get("is_qat", False),
        models=tuple(_model(file, repository["pattern"], studies) for file in repository.get("files", ())),
        projectors=tuple(_companion(repository["id"], file) for file in repository.get("projectors", ())),
        drafters=tuple(_companion(repository["id"], file) for file in repository.get("drafters", ())),
        projectors_of=repository.get("projectors_of"),
        drafters_of=repository.get("drafters_of"),
    )


def _model(file: _File, pattern: str, studies: dict[str, _Study]) -> ListedModel:
    return ListedModel(
        paths=_paths(file, pattern),
        quantization=file["quantization"],
        size_bytes=_size_bytes(file) or 0,
        size_is_exact="bytes" in file,
        path_is_confirmed="path" in file and not file.get("inferred", False),
        sha256=file.get("sha256"),
        revision=file.get("revision"),
        quality=_quality(file["quality"], studies) if "quality" in file else None,
    )


def _paths(file: _File, pattern: str) -> tuple[str, ...]:
    if "path" in file:
        return (file["path"],)
    quantization, shards = file["quantization"], file.get("shards")
    path = pattern.format(quantization)
    if shards is None:
        return (path,)
    stem = f"{quantization}/{path.removesuffix('.gguf')}"
    return tuple(f"{stem}-{number:05}-of-{shards:05}.gguf" for number in range(1, shards + 1))


def _companion(repository: str, file: _Companion) -> CompanionFile:
    return CompanionFile(
        repository=repository,
        path=file["path"],
        size_bytes=_size_bytes(file),
        size_is_exact="bytes" in file,
        sha256=file.get("sha256"),
        path_is_confirmed=not file.get("inferred", False),
    )


def _size_bytes(file: _Bytes) -> int | None:
    given = cast(dict[str, float], file)
    return next((round(given[unit] * factor) for unit, factor in _UNITS.items() if unit in given), None)


def _quality(measured: _Measured, studies: dict[str, _Study]) -> Quality:
    study = studies[measured["study"]]
    return Quality(measured["value"], study["metric"], study["source"], study["is_confirmed"])
