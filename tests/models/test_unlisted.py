"""Files that the catalog does not list are described by what is known of them."""

from pathlib import Path

import pytest

from g4run.models.catalog.catalog import read_catalog
from g4run.models.catalog.values import CatalogFile
from g4run.models.names.types import Size
from g4run.models.unlisted import describe_unlisted

CATALOG = read_catalog(Path("no such directory"))


def describe(size_bytes: int, quantization: str | None, size_label: str = "", parameters: int = 0) -> CatalogFile:
    return describe_unlisted(
        CATALOG,
        name="mine",
        repository="acme/mine",
        paths=("mine.gguf",),
        size_bytes=size_bytes,
        quantization=quantization,
        size_label=size_label,
        parameters=parameters,
    )


@pytest.mark.parametrize("file", CATALOG.files, ids=lambda file: file.name)
def test_a_file_of_the_family_is_known_by_its_label_or_its_parameters(file: CatalogFile) -> None:
    label = CATALOG.facts(file.size).label
    for found in (
        describe(file.size_bytes, file.quantization, label),
        describe(file.size_bytes, file.quantization.lower(), "other", file.parameters),
    ):
        assert (found.size, found.quantization, found.parameters) == (file.size, file.quantization, file.parameters)


def test_by_its_bytes_alone_a_file_is_of_the_size_that_they_would_be_in_its_quantization() -> None:
    q8_0 = [file for file in CATALOG.files if file.quantization == "Q8_0"]
    assert {file.size for file in q8_0} == set(Size)
    assert [describe(file.size_bytes, "Q8_0").size for file in q8_0] == [file.size for file in q8_0]


def test_an_unknown_quantization_is_the_nearest_in_bits_per_weight() -> None:
    facts = CATALOG.facts(Size.DENSE_31B)
    assert describe(facts.parameters * 17 // 16, "unknown", facts.label).quantization == "Q8_0"
    assert describe(facts.parameters * 2, None, facts.label).quantization == "F16"


def test_of_what_nothing_is_known_the_bytes_decide() -> None:
    assert describe(1, None).size is Size.E2B
    assert describe(10**15, None).size is Size.DENSE_31B
