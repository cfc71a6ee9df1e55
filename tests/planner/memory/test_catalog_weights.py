"""Estimated weights of catalog files, compared with the true headers of the same sizes."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.models.catalog.catalog import read_catalog
from g4run.models.names.types import Size
from g4run.planner.memory.catalog_weights import HEADER_BYTES, shape_of_catalog
from g4run.planner.memory.size_dimensions import architecture_of
from g4run.planner.values import ModelShape
from tests.planner.shapes import real_architecture, real_shape

CATALOG = read_catalog(Path("nowhere"))


def classes(shape: ModelShape) -> tuple[int, ...]:
    def total(sizes: Iterable[int]) -> int:
        return sum(sizes)

    return (
        shape.embedding_bytes,
        shape.table_bytes,
        total(layer.dense_bytes for layer in shape.layers),
        total(layer.expert_bytes for layer in shape.layers),
    )


@pytest.mark.parametrize("size", list(Size))
@pytest.mark.parametrize("quantization", ["Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "BF16"])
def test_each_class_is_within_a_few_percent(size: Size, quantization: str) -> None:
    facts, real = CATALOG.facts(size), real_shape(size.value, quantization)
    file = replace(facts.default, quantization=quantization, size_bytes=real.file_bytes + HEADER_BYTES)
    found = shape_of_catalog(file, facts)
    assert classes(found) == pytest.approx(classes(real), rel=0.05)
    assert sum(classes(found)) == pytest.approx(real.file_bytes, rel=1e-4)
    assert (found.is_exact, found.file_bytes, found.weight_type) == (False, file.size_bytes, real.weight_type)


@pytest.mark.parametrize("size", list(Size))
def test_the_dimensions_equal_the_headers(size: Size) -> None:
    real = real_architecture(size.value)
    assert architecture_of(size, real.parameters) == real


@pytest.mark.parametrize(
    ("quantization", "weight_type"),
    [
        ("UD-Q4_K_XL", "Q4_K"),
        ("Q3_K_S", "Q3_K"),
        ("UD-Q8_K_XL", "Q8_0"),
        ("UD-IQ4_NL", "IQ4_NL"),
        ("MXFP4_MOE", "MXFP4"),
        ("Q6_K", "Q6_K"),
        ("BF16", "BF16"),
    ],
)
def test_a_tag_names_the_type_of_most_weights(quantization: str, weight_type: str) -> None:
    facts = CATALOG.facts(Size.DENSE_12B)
    assert shape_of_catalog(replace(facts.default, quantization=quantization), facts).weight_type == weight_type


def test_a_digest_of_the_catalog_is_kept() -> None:
    facts = CATALOG.facts(Size.DENSE_12B)
    digests = [shape_of_catalog(replace(facts.default, sha256=sha256), facts).digest for sha256 in ("abc", None)]
    assert digests == ["abc", ""]


def test_every_file_of_the_catalog_has_a_shape() -> None:
    for file in CATALOG.files:
        shape = shape_of_catalog(file, CATALOG.facts(file.size))
        assert sum(classes(shape)) == pytest.approx(file.size_bytes - HEADER_BYTES, rel=1e-4)


def test_a_projector_of_unknown_size_is_near_the_known_ones_of_its_size() -> None:
    for size in (Size.E2B, Size.E4B, Size.A4B_26B, Size.DENSE_31B):
        files = CATALOG.available(size)
        facts = CATALOG.facts(size)
        known = [file for file in files if file.projector and file.projector.size_bytes]
        unknown = [file for file in files if file.projector and not file.projector.size_bytes]
        assert known and unknown
        expected = max(shape_of_catalog(file, facts).projector_bytes for file in known)
        for file in unknown:
            assert shape_of_catalog(file, facts).projector_bytes == pytest.approx(expected, rel=0.07)
