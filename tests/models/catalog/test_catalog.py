"""The built-in catalog is consistent with itself and with arithmetic."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from g4run.models.catalog.catalog import Catalog, read_catalog
from g4run.models.catalog.source import read_source
from g4run.models.catalog.values import CatalogFile
from g4run.models.gguf.architecture import SIZE_LABELS
from g4run.models.names.parse import parse_name
from g4run.models.names.types import FamilyName, HubName, Size
from g4run.models.quantizations import (
    QUANTIZATIONS,
    FileRole,
    bits_of,
    group_shards,
    quantization_of,
    role_of,
)

CATALOG = read_catalog(Path("no such directory"))
FILES = pytest.mark.parametrize("file", CATALOG.files, ids=lambda file: file.name)
ALL_COMPANIONS = [file for listing in read_source().listings for file in (*listing.projectors, *listing.drafters)]
COMPANIONS = {(file.repository, file.path): file for file in ALL_COMPANIONS}
DIGEST, COMMIT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")


def resolve(catalog: Catalog, text: str) -> CatalogFile | None:
    """Return the file of a name, as the program looks it up."""
    name = parse_name(text)
    return catalog.find(name) if isinstance(name, FamilyName | HubName) else None


@FILES
def test_the_name_of_a_file_resolves_to_it(file: CatalogFile) -> None:
    assert parse_name(file.name).text == file.name
    assert resolve(CATALOG, file.name) is file
    for path in file.paths:
        assert resolve(CATALOG, f"hf.co/{file.repository}/{path}") is file


@FILES
def test_a_file_is_what_its_path_says(file: CatalogFile) -> None:
    assert file.quantization in QUANTIZATIONS
    assert {quantization_of(path) for path in file.paths} == {file.quantization}
    assert group_shards(file.paths) == (file.paths,)
    assert ("qat" in file.repository.lower()) == file.is_qat
    label = next(facts.label for facts in CATALOG.sizes if facts.size is file.size)
    assert f"-{label.replace(' ', '-')}-it".lower() in file.repository.lower()


@FILES
def test_every_model_has_its_companions(file: CatalogFile) -> None:
    assert file.projector is not None
    assert file.drafter is not None
    assert role_of(file.projector.path) is FileRole.PROJECTOR
    assert role_of(file.drafter.path) is FileRole.DRAFTER
    for companion in (file.projector, file.drafter):
        assert COMPANIONS[companion.repository, companion.path] == companion
        if companion.repository != file.repository:  # the weights that it was made for
            assert (
                f"gemma-4-{file.repository.split('gemma-4-')[1].split('-')[0]}-".lower() in companion.repository.lower()
            )
            assert ("qat" in companion.repository.lower()) == file.is_qat


def bits_range(file: CatalogFile) -> tuple[float, float]:
    """Return the lowest and highest bits per weight that a quantization can reach.

    Whole blocks of 8 bits and more come to what they are. Below, token embeddings (of E2B and E4B: 59 and 46 % of all
    weights) and attention are kept at more bits, and 26B's experts (704 wide, no multiple of 256) fall back to larger
    types; below 4 bits this tells most. unsloth's UD-Q4_K_XL of QAT weights is Q4_0 nearly throughout.
    """
    bits = bits_of(file.quantization)
    if bits >= 8:
        return bits * (0.9 if bits == 9.5 else 0.98), bits * 1.04
    if bits < 4.2:
        return bits * 0.93, bits * 1.5
    most = {Size.E2B: 1.3, Size.E4B: 1.25, Size.A4B_26B: 1.2}.get(file.size, 1.08)
    return (4.45 if file.is_qat else bits * 0.93), bits * most


@FILES
def test_sizes_are_plausible(file: CatalogFile) -> None:
    least, most = bits_range(file)
    assert least <= file.bits_per_weight <= most


LADDERS = (
    ("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "IQ3_M", "IQ4_XS", "IQ4_NL", "Q4_1"),
    ("UD-IQ2_XXS", "UD-IQ2_M", "UD-IQ3_XXS", "UD-IQ4_XS", "UD-IQ4_NL"),
    ("Q2_K", "Q2_K_L", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q3_K_XL", "Q4_K_S", "Q4_K_M", "Q4_K_L", "Q5_K_S", "Q5_K_M"),
    ("Q5_K_M", "Q5_K_L", "Q6_K", "Q6_K_L", "Q8_0", "BF16"),
    ("UD-Q2_K_XL", "UD-Q3_K_XL", "UD-Q4_K_XL", "UD-Q5_K_XL", "UD-Q6_K_XL", "Q8_0", "UD-Q8_K_XL", "BF16"),
    ("UD-Q3_K_M", "UD-Q4_K_S", "UD-Q4_K_M", "UD-Q5_K_S", "UD-Q5_K_M", "UD-Q6_K", "Q8_0"),
    ("Q4_0", "Q4_1", "Q5_K_S", "Q8_0"),
)


@pytest.mark.parametrize("repository", CATALOG.repositories)
@pytest.mark.parametrize("ladder", LADDERS, ids=lambda ladder: ladder[0])
def test_more_bits_take_at_least_as_much_space(repository: str, ladder: tuple[str, ...]) -> None:
    rungs = [file for tag in ladder if (file := CATALOG.find(HubName(repository, tag)))]
    assert all(small.size_bytes <= large.size_bytes for small, large in pairwise(rungs))


def test_companions_are_smaller_than_any_model() -> None:
    sizes = [file.size_bytes for file in ALL_COMPANIONS if file.size_bytes is not None]
    assert len(sizes) == 22
    assert all(450_000_000 < size < 2_300_000_000 for size in sizes)


def test_digests_are_complete_and_unique() -> None:
    digests = [file.sha256 for file in CATALOG.files if file.sha256]
    digests += [file.sha256 for file in ALL_COMPANIONS if file.sha256]
    assert all(DIGEST.fullmatch(digest) for digest in digests)
    assert len(digests) == 38
    assert len(set(digests)) == len(digests)
    assert all(COMMIT.fullmatch(file.revision) for file in CATALOG.files if file.revision)
    assert sum(file.revision is not None for file in CATALOG.files) == 3


def test_nothing_is_listed_twice() -> None:
    places = [(file.repository.lower(), path.lower()) for file in CATALOG.files for path in file.paths]
    places += [(file.repository.lower(), file.path.lower()) for file in ALL_COMPANIONS]
    assert [place for place, count in Counter(places).items() if count > 1] == []
    assert [name for name, count in Counter(file.name for file in CATALOG.files).items() if count > 1] == []
    assert len(set(CATALOG.repositories)) == len(CATALOG.repositories)


def test_split_models() -> None:
    sharded = [file for file in CATALOG.files if len(file.paths) > 1]
    assert [(file.name, file.paths[1]) for file in sharded] == [
        ("gemma4:26b-bf16", "BF16/gemma-4-26B-A4B-it-BF16-00002-of-00002.gguf"),
        ("gemma4:31b-bf16", "BF16/gemma-4-31B-it-BF16-00002-of-00002.gguf"),
    ]
    assert not any(file.path_is_confirmed for file in sharded)


def test_measured_quality_names_its_source() -> None:
    measured = {(file.repository.split("/")[0], file.name): file.quality for file in CATALOG.files if file.quality}
    assert len(measured) == 18
    assert all(quality.metric and quality.source for quality in measured.values())
    unsloth, google = measured["unsloth", "gemma4:31b-q4_k_m"], measured["google", "gemma4:26b-qat-q4_0"]
    assert (unsloth.value, unsloth.metric) == (0.61, "KL divergence to BF16, lower is better")
    assert (unsloth.is_confirmed, google.is_confirmed) == (True, False)
    unconfirmed = [name for (_, name), quality in measured.items() if not quality.is_confirmed]
    assert unconfirmed == [
        "gemma4:26b-qat-q4_0",
        "gemma4:31b-iq3_xs",
        "gemma4:31b-q2_k",
        "hf.co/ggml-org/gemma-4-E2B-it-GGUF:Q8_0",
    ]


def test_the_sizes() -> None:
    assert [facts.size for facts in CATALOG.sizes] == list(Size)
    assert [facts.label for facts in CATALOG.sizes] == list(SIZE_LABELS.values())
    assert [facts.parameters for facts in CATALOG.sizes] == [
        4_650_000_000,
        7_520_000_000,
        11_910_000_000,
        25_230_000_000,
        30_700_000_000,
    ]
    assert [facts.context_length for facts in CATALOG.sizes] == [131072, 131072, 262144, 262144, 262144]
    assert [facts.modalities for facts in CATALOG.sizes] == [("text", "image", "audio")] * 3 + [("text", "image")] * 2
    assert all(facts.parameters < facts.parameters_with_encoders for facts in CATALOG.sizes)


def test_sampling_and_licence() -> None:
    sampling = CATALOG.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (1.0, 0.95, 64, 0.0)
    assert (CATALOG.license, CATALOG.license_url) == ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")


def test_a_size_lists_its_own_files() -> None:
    assert sum(len(CATALOG.available(size)) for size in Size) == len(CATALOG.available()) == len(CATALOG.files)
    assert {file.size for file in CATALOG.available(Size.DENSE_12B)} == {Size.DENSE_12B}
