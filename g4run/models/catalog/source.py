"""Read catalog.toml into values."""

from pathlib import Path

import msgspec

from g4run.models.catalog.values import Benchmark, CompanionFile, ListedModel, Quality, Sampling, SizeSource
from g4run.models.names.types import Size

REFRESHED_NAME = "catalog.json"  # in the data directory; overlay.py reads it
_BUILT_IN_PATH = Path(__file__).with_name("catalog.toml")


class _Measured(msgspec.Struct, frozen=True):
    value: int | float
    study: str


class _File(msgspec.Struct, frozen=True):
    """A model, projector, or drafter; at most one of the sizes, none if it is unknown."""

    quantization: str = ""  # of models
    path: str = ""  # otherwise from the repository's pattern
    inferred: bool = False
    shards: int = 0
    sha256: str | None = None
    revision: str | None = None
    quality: _Measured | None = None
    bytes: int | None = None  # exact
    gib: float = 0
    mib: float = 0
    gb: float = 0
    mb: float = 0

    @property
    def size_bytes(self) -> int | None:
        """The size, or None."""
        rounded = self.gib * 2**30 + self.mib * 2**20 + self.gb * 10**9 + self.mb * 10**6
        return self.bytes or round(rounded) or None


class _Repository(msgspec.Struct, frozen=True):
    id: str
    size: Size
    pattern: str  # of file paths; {} stands for the quantization
    is_qat: bool = False
    files: tuple[_File, ...] = ()
    projectors: tuple[_File, ...] = ()
    drafters: tuple[_File, ...] = ()
    projectors_of: str | None = None
    drafters_of: str | None = None


class _Study(msgspec.Struct, frozen=True):
    metric: str
    source: str
    is_confirmed: bool


class _License(msgspec.Struct, frozen=True):
    id: str  # SPDX
    url: str


class Listing(msgspec.Struct, frozen=True):
    """A repository and its files; `projectors_of` and `drafters_of` name repositories with the companions it lacks."""

    id: str
    size: Size
    is_qat: bool
    models: tuple[ListedModel, ...]
    projectors: tuple[CompanionFile, ...]
    drafters: tuple[CompanionFile, ...]
    projectors_of: str | None
    drafters_of: str | None


class Source(msgspec.Struct, frozen=True):
    """The contents of catalog.toml."""

    license: _License
    sampling: Sampling
    sizes: dict[Size, SizeSource]
    benchmarks: dict[str, Benchmark]  # by what they are for: "chat"
    studies: dict[str, _Study]
    repositories: tuple[_Repository, ...]

    @property
    def listings(self) -> tuple[Listing, ...]:
        """The repositories with their files described in full."""
        return tuple(_listing(repository, self.studies) for repository in self.repositories)


def read_source() -> Source:
    """Read the built-in catalog."""
    return msgspec.toml.decode(_BUILT_IN_PATH.read_bytes(), type=Source)


def _listing(repository: _Repository, studies: dict[str, _Study]) -> Listing:
    return Listing(
        id=repository.id,
        size=repository.size,
        is_qat=repository.is_qat,
        models=tuple(_model(file, repository.pattern, studies) for file in repository.files),
        projectors=tuple(_companion(repository.id, file) for file in repository.projectors),
        drafters=tuple(_companion(repository.id, file) for file in repository.drafters),
        projectors_of=repository.projectors_of,
        drafters_of=repository.drafters_of,
    )


def _model(file: _File, pattern: str, studies: dict[str, _Study]) -> ListedModel:
    return ListedModel(
        paths=_paths(file, pattern),
        quantization=file.quantization,
        size_bytes=file.size_bytes or 0,
        size_is_exact=file.bytes is not None,
        path_is_confirmed=file.path != "" and not file.inferred,
        sha256=file.sha256,
        revision=file.revision,
        quality=_quality(file.quality, studies) if file.quality else None,
    )


def _paths(file: _File, pattern: str) -> tuple[str, ...]:
    path = file.path or pattern.format(file.quantization)
    if file.path or not file.shards:
        return (path,)
    stem = f"{file.quantization}/{path.removesuffix('.gguf')}"
    return tuple(f"{stem}-{number:05}-of-{file.shards:05}.gguf" for number in range(1, file.shards + 1))


def _companion(repository: str, file: _File) -> CompanionFile:
    return CompanionFile(repository, file.path, file.size_bytes, file.bytes is not None, file.sha256, not file.inferred)


def _quality(measured: _Measured, studies: dict[str, _Study]) -> Quality:
    study = studies[measured.study]
    return Quality(measured.value, study.metric, study.source, study.is_confirmed)
