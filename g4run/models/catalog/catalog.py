"""The known Gemma 4 files: where they are, how large, how good, and which companions they have.

catalog.toml is built in; `g4run catalog refresh` writes the Hub's current listings to the data directory, which
replace the built-in list of each repository that answered.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import asdict, replace

from g4run.errors import ModelNotFound, Pointer
from g4run.models.catalog.source import REFRESHED_NAME, Listing, read_source
from g4run.models.catalog.values import CatalogFile, CompanionFile, ListedModel, Sampling, SizeFacts, SizeSource
from g4run.models.names.types import FAMILY, FamilyName, HubName, Size
from g4run.models.quantizations import bits_of, default_rank, drafter_rank, projector_rank

MAX_SUGGESTIONS = 5


class Catalog(msgspec.Struct, frozen=True):
    """Everything known without network access; files are in the order in which quantizations are looked up."""

    sizes: tuple[SizeFacts, ...]
    files: tuple[CatalogFile, ...]
    repositories: tuple[str, ...]  # in the same order; some have no files until the catalog is refreshed
    sampling: Sampling
    license: str  # SPDX identifier
    license_url: str
    refreshed_at: str | None  # ISO 8601, UTC; None for the built-in catalog
    overlay_problem: str | None  # why the refreshed listings are not used

    def find(self, name: FamilyName | HubName) -> CatalogFile | None:
        """Return the file of a name; None if its repository or file is not listed. Raises as `resolve`.

        A repository alone means its best 4-bit file, else the next larger one, else any.
        """
        match name:
            case FamilyName():
                return self.resolve(name)
            case HubName(file=str(path)):
                return self.find_file(name.repository, path)
            case HubName(quantization=str(quantization)):
                files = self._files_of(name.repository)
                return next((file for file in files if file.quantization == quantization), None)
        return min(self._files_of(name.repository), key=_default_rank, default=None)

    def resolve(self, name: FamilyName) -> CatalogFile:
        """Return the file of a `gemma4` name. Raises ModelNotFound, which lists the files of that size."""
        if name.quantization is None:
            return self.facts(name.size).default
        for file in self.available(name.size):
            if file.quantization == name.quantization and (file.is_qat or not name.is_qat):
                return file
        raise self._no_such_quantization(name, name.quantization)

    def facts(self, size: Size) -> SizeFacts:
        """Return the facts of a size."""
        return next(facts for facts in self.sizes if facts.size is size)

    def available(self, size: Size | None = None) -> tuple[CatalogFile, ...]:
        """Return all files, or those of one size."""
        return tuple(file for file in self.files if size is None or file.size is size)

    def find_file(self, repository: str, path: str) -> CatalogFile | None:
        """Return the model that has a path among its files."""
        wanted = path.lower()
        return next((file for file in self._files_of(repository) if wanted in map(str.lower, file.paths)), None)

    def _files_of(self, repository: str) -> tuple[CatalogFile, ...]:
        return tuple(file for file in self.files if file.repository.lower() == repository.lower())

    def _no_such_quantization(self, name: FamilyName, quantization: str) -> ModelNotFound:
        """Return the error that lists the available files, the nearest in bits first."""
        bits = bits_of(quantization)
        files = [file for file in self.available(name.size) if file.name.startswith(f"{FAMILY}:")]
        files.sort(key=lambda file: (file.is_qat < name.is_qat, abs(bits_of(file.quantization) - bits)))
        names = [file.name for file in files if file.is_qat or not name.is_qat or file.quantization == quantization]
        more = f" and {len(names) - MAX_SUGGESTIONS} more" if len(names) > MAX_SUGGESTIONS else ""
        refresh = "" if self.refreshed_at else "; `g4run catalog refresh` asks the Hub for more"
        kind = "quantization-aware trained " if name.is_qat else ""
        start = len(name.text) - len(quantization)
        return ModelNotFound(
            f"there is no {kind}{quantization} file of {FAMILY}:{name.size}",
            f"available: {', '.join(names[:MAX_SUGGESTIONS])}{more}{refresh}",
            pointer=Pointer(name.text, start, len(name.text)),
        )


def read_catalog(data_directory: Path) -> Catalog:
    """Read the built-in catalog, updated by the refreshed listings if they are readable."""
    source = read_source()
    listings, refreshed_at, problem = source.listings, None, None
    if os.path.lexists(data_directory / REFRESHED_NAME):
        from g4run.models.catalog.overlay import apply_overlay, read_overlay  # noqa: PLC0415 - 6 ms of 100 to recommend

        overlay, problem = read_overlay(data_directory)
        if overlay is not None:
            listings, refreshed_at = apply_overlay(listings, overlay), overlay.refreshed_at
    files = _assemble(listings, source.sizes)
    return Catalog(
        sizes=tuple(_facts(size, facts, files) for size, facts in source.sizes.items()),
        files=files,
        repositories=tuple(listing.id for listing in listings),
        sampling=source.sampling,
        license=source.license.id,
        license_url=source.license.url,
        refreshed_at=refreshed_at,
        overlay_problem=problem,
    )


def _facts(size: Size, facts: SizeSource, files: Sequence[CatalogFile]) -> SizeFacts:
    candidates = [file for file in files if file.size is size]
    default = min(candidates, key=lambda file: (not file.is_qat, _default_rank(file)))
    return SizeFacts(**asdict(facts), size=size, default=default)


def _default_rank(file: CatalogFile) -> float:
    return default_rank(file.quantization, is_qat=file.is_qat)


def _assemble(listings: Sequence[Listing], sizes: dict[Size, SizeSource]) -> tuple[CatalogFile, ...]:
    """Return every model with its name and companions; the first model to claim a name gets it."""
    by_id = {listing.id: listing for listing in listings}
    taken: set[str] = set()
    return tuple(
        CatalogFile(
            **asdict(model),
            name=_claim_name(listing, model, taken),
            repository=listing.id,
            size=listing.size,
            parameters=sizes[listing.size].parameters,
            is_qat=listing.is_qat,
            projector=projector,
            drafter=drafter,
        )
        for listing in listings
        for projector, drafter in [(_choose_projector(listing, by_id), _choose_drafter(listing, by_id))]
        for model in listing.models
    )


def _claim_name(listing: Listing, model: ListedModel, taken: set[str]) -> str:
    """Return the first free name: `gemma4` name, repository and quantization, repository and file."""
    family = FamilyName(listing.size, listing.is_qat, model.quantization)
    hub = HubName(listing.id, model.quantization)
    names = [family.text, replace(family, is_qat=False).text, hub.text]
    free = [name for name in names if name not in taken]
    taken.update(names)
    return free[0] if free else HubName(listing.id, file=model.paths[0]).text


def _choose_projector(listing: Listing, by_id: dict[str, Listing]) -> CompanionFile | None:
    other = by_id.get(listing.projectors_of or "")
    candidates = listing.projectors or (other.projectors if other else ())
    return min(candidates, key=lambda file: projector_rank(file.path), default=None)


def _choose_drafter(listing: Listing, by_id: dict[str, Listing]) -> CompanionFile | None:
    other = by_id.get(listing.drafters_of or "")
    candidates = listing.drafters or (other.drafters if other else ())
    has_experts = listing.size is Size.A4B_26B
    return min(candidates, key=lambda file: drafter_rank(file.path, has_experts=has_experts), default=None)
