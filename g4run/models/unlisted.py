"""Model files described as the catalog would list them, whether it does or not."""

import math

from msgspec.structs import replace

from g4run.models.catalog.catalog import Catalog
from g4run.models.catalog.values import CatalogFile, SizeFacts
from g4run.models.quantizations import QUANTIZATIONS, bits_of, normalize_quantization
from g4run.models.store.records import Record

_USUAL_QUANTIZATION = "Q4_K_M"  # where neither the name nor the number of parameters tells


def describe_unlisted(
    catalog: Catalog,
    *,
    name: str,
    repository: str,
    paths: tuple[str, ...],
    size_bytes: int,
    quantization: str | None,
    size_label: str = "",
    parameters: int = 0,
) -> CatalogFile:
    """Describe a model file; an unknown size or quantization is taken to be the nearest by bytes and parameters."""
    tag = normalize_quantization(quantization or "")
    facts = next((facts for facts in catalog.sizes if facts.label == size_label), None)
    if facts is None:
        facts = _nearest_size(catalog, parameters or int(size_bytes * 8 / bits_of(tag or _USUAL_QUANTIZATION)))
    return CatalogFile(
        name=name,
        repository=repository,
        paths=paths,
        quantization=tag or _nearest_quantization(size_bytes * 8 / facts.parameters),
        size=facts.size,
        parameters=facts.parameters,
        is_qat="qat" in paths[0].lower(),
        size_bytes=size_bytes,
    )


def describe_record(catalog: Catalog, record: Record) -> CatalogFile:
    """Describe a stored model under its own name and with its own size."""
    place, size_bytes = record.model_files[0].hub_place, sum(file.size_bytes for file in record.model_files)
    described = catalog.find_file(*place) if place is not None else None
    described = described or describe_unlisted(
        catalog,
        name=record.name,
        repository=record.repository or "",
        paths=tuple(file.path.name for file in record.model_files),
        size_bytes=size_bytes,
        quantization=record.summary.quantization,
        size_label=record.summary.size_label,
        parameters=record.summary.parameters,
    )
    known = replace(described, name=record.name, size_bytes=size_bytes, sha256=record.digest)
    return replace(known, path_is_confirmed=True)


def _nearest_size(catalog: Catalog, parameters: int) -> SizeFacts:
    return min(catalog.sizes, key=lambda facts: abs(math.log(facts.parameters / max(1, parameters))))


def _nearest_quantization(bits_per_weight: float) -> str:
    return min(QUANTIZATIONS, key=lambda tag: abs(bits_of(tag) - bits_per_weight))
