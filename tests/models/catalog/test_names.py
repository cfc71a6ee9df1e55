"""Every common name of a Gemma 4 file resolves to the right file."""

from pathlib import Path

import pytest

from g4run.errors import ModelNotFound
from g4run.models.catalog.catalog import read_catalog
from g4run.models.catalog.source import read_source
from g4run.models.names.parse import parse_name
from g4run.models.names.types import FamilyName
from tests.models.catalog.published_files import DIGESTS, EXACT, LISTED, ROUNDED
from tests.models.catalog.test_catalog import resolve

CATALOG = read_catalog(Path("no such directory"))
COMPANIONS = [file for listing in read_source().listings for file in (*listing.projectors, *listing.drafters)]

GOOGLE = {
    "e2b": ("google/gemma-4-E2B-it-qat-q4_0-gguf", "gemma-4-E2B_q4_0-it.gguf"),
    "e4b": ("google/gemma-4-E4B-it-qat-q4_0-gguf", "gemma-4-E4B_q4_0-it.gguf"),
    "12b": ("google/gemma-4-12B-it-qat-q4_0-gguf", "gemma-4-12b-it-qat-q4_0.gguf"),
    "26b": ("google/gemma-4-26B-A4B-it-qat-q4_0-gguf", "gemma-4-26B_q4_0-it.gguf"),
    "31b": ("google/gemma-4-31B-it-qat-q4_0-gguf", "gemma-4-31B_q4_0-it.gguf"),
}

FAMILY = [
    ("gemma4", *GOOGLE["e4b"]),
    ("gemma4:latest", *GOOGLE["e4b"]),
    *((f"gemma4:{size}", *place) for size, place in GOOGLE.items()),
    *((f"gemma4:{size}-qat", *place) for size, place in GOOGLE.items()),
    *((f"gemma4:{size}-q4_0", *place) for size, place in GOOGLE.items()),
    ("gemma4:e2b-it-qat", *GOOGLE["e2b"]),
    ("gemma4:e4b-it-qat", *GOOGLE["e4b"]),
    ("gemma4:12b-it-qat", *GOOGLE["12b"]),
    ("gemma4:26b-a4b-it-qat", *GOOGLE["26b"]),
    ("gemma4:31b-it-qat", *GOOGLE["31b"]),
    ("gemma4:e2b-it-q4_K_M", "unsloth/gemma-4-E2B-it-GGUF", "gemma-4-E2B-it-Q4_K_M.gguf"),
    ("gemma4:e4b-it-q4_K_M", "unsloth/gemma-4-E4B-it-GGUF", "gemma-4-E4B-it-Q4_K_M.gguf"),
    ("gemma4:12b-it-q4_K_M", "unsloth/gemma-4-12b-it-GGUF", "gemma-4-12b-it-Q4_K_M.gguf"),
    (
        "gemma4:26b-a4b-it-q4_K_M",
        "bartowski/google_gemma-4-26B-A4B-it-GGUF",
        "google_gemma-4-26B-A4B-it-Q4_K_M.gguf",
    ),
    ("gemma4:31b-it-q4_K_M", "unsloth/gemma-4-31B-it-GGUF", "gemma-4-31B-it-Q4_K_M.gguf"),
    ("gemma4:e4b-it-q8_0", "unsloth/gemma-4-E4B-it-GGUF", "gemma-4-E4B-it-Q8_0.gguf"),
    ("gemma4:12b-it-q8_0", "ggml-org/gemma-4-12B-it-GGUF", "gemma-4-12B-it-Q8_0.gguf"),
    ("gemma4:26b-a4b-it-q8_0", "unsloth/gemma-4-26B-A4B-it-GGUF", "gemma-4-26B-A4B-it-Q8_0.gguf"),
    ("gemma4:e2b-it-bf16", "unsloth/gemma-4-E2B-it-GGUF", "gemma-4-E2B-it-BF16.gguf"),
    ("gemma4:12b-bf16", "ggml-org/gemma-4-12B-it-GGUF", "gemma-4-12B-it-bf16.gguf"),
    ("gemma4:31b-bf16", "unsloth/gemma-4-31B-it-GGUF", "BF16/gemma-4-31B-it-BF16-00001-of-00002.gguf"),
    ("gemma4:31b:UD-Q4_K_XL", "unsloth/gemma-4-31B-it-GGUF", "gemma-4-31B-it-UD-Q4_K_XL.gguf"),
    ("gemma4:26b-q5_k_m", "bartowski/google_gemma-4-26B-A4B-it-GGUF", "google_gemma-4-26B-A4B-it-Q5_K_M.gguf"),
    ("gemma4:26b-ud-q4_k_xl", "unsloth/gemma-4-26B-A4B-it-GGUF", "gemma-4-26B-A4B-it-UD-Q4_K_XL.gguf"),
    ("gemma4:26b-qat:UD-Q4_K_XL", "unsloth/gemma-4-26B-A4B-it-qat-GGUF", "gemma-4-26B-A4B-it-qat-UD-Q4_K_XL.gguf"),
    ("gemma4:12b-ud-q4_k_xl", "unsloth/gemma-4-12B-it-qat-GGUF", "gemma-4-12B-it-qat-UD-Q4_K_XL.gguf"),
]

REPOSITORIES = [
    *((f"hf.co/{repository}", repository, path) for repository, path in GOOGLE.values()),
    *((f"hf.co/{repository}:q4_0", repository, path) for repository, path in GOOGLE.values()),
    ("hf.co/UNSLOTH/gemma-4-31b-it-gguf", "unsloth/gemma-4-31B-it-GGUF", "gemma-4-31B-it-UD-Q4_K_XL.gguf"),
    ("hf.co/unsloth/gemma-4-12b-it-GGUF", "unsloth/gemma-4-12b-it-GGUF", "gemma-4-12b-it-Q4_K_M.gguf"),
    ("hf.co/ggml-org/gemma-4-E2B-it-GGUF", "ggml-org/gemma-4-E2B-it-GGUF", "gemma-4-E2B-it-Q8_0.gguf"),
    ("hf.co/ggml-org/gemma-4-26B-A4B-it-GGUF", "ggml-org/gemma-4-26B-A4B-it-GGUF", "gemma-4-26B-A4B-it-Q4_K_M.gguf"),
]


@pytest.mark.parametrize(("repository", "path", "size_bytes"), EXACT)
def test_an_exact_size(repository: str, path: str, size_bytes: int) -> None:
    file = resolve(CATALOG, f"hf.co/{repository}/{path}")
    assert file is not None
    assert (file.repository, file.path, file.size_bytes, file.size_is_exact) == (repository, path, size_bytes, True)
    assert resolve(CATALOG, f"hf.co/{repository}:{file.quantization}") is file


def test_no_other_size_is_called_exact() -> None:
    assert sum(file.size_is_exact for file in CATALOG.files) == len(EXACT)
    exact = [(file.path, file.size_bytes) for file in COMPANIONS if file.size_is_exact]
    assert exact == [("mmproj-gemma-4-26B-A4B-it-f16.gguf", 1_193_058_432)]


@pytest.mark.parametrize(("repository", "path", "size_bytes"), ROUNDED)
def test_a_rounded_size(repository: str, path: str, size_bytes: int) -> None:
    file = resolve(CATALOG, f"hf.co/{repository}/{path}")
    assert file is not None
    assert (file.size_bytes, file.size_is_exact) == (size_bytes, False)


@pytest.mark.parametrize(("repository", "path", "sha256"), DIGESTS)
def test_a_digest(repository: str, path: str, sha256: str) -> None:
    assert parse_name(f"hf.co/{repository}/{path}").text == f"hf.co/{repository}/{path}"
    known = [(file.repository, file.path, file.sha256, file.path_is_confirmed) for file in CATALOG.files]
    known += [(file.repository, file.path, file.sha256, file.path_is_confirmed) for file in COMPANIONS]
    assert [found for found in known if found[:2] == (repository, path)] == [(repository, path, sha256, True)]


@pytest.mark.parametrize("repository", LISTED)
def test_a_repository_has_what_is_listed(repository: str) -> None:
    files = [file for file in CATALOG.files if file.repository == repository]
    assert sorted(file.quantization for file in files) == sorted(LISTED[repository].split())
    for file in files:
        assert resolve(CATALOG, f"hf.co/{repository}:{file.quantization.lower()}") is file


@pytest.mark.parametrize(("name", "repository", "path"), [*FAMILY, *REPOSITORIES])
def test_a_name_means_its_file(name: str, repository: str, path: str) -> None:
    file = resolve(CATALOG, name)
    assert file is not None
    assert (file.repository, file.path) == (repository, path)


def test_an_unknown_repository_is_not_in_the_catalog() -> None:
    assert resolve(CATALOG, "hf.co/mudler/gemma-4-26B-A4B-it-APEX-GGUF") is None
    assert resolve(CATALOG, "hf.co/unsloth/gemma-4-31B-it-GGUF:Q2_K") is None
    assert resolve(CATALOG, "hf.co/unsloth/gemma-4-31B-it-GGUF/other.gguf") is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "gemma4:12b-q6_k",
            "there is no Q6_K file of gemma4:12b",
            "available: gemma4:12b-qat-ud-q4_k_xl, gemma4:12b-q4_k_m, gemma4:12b-q8_0, gemma4:12b-qat-q4_0,"
            " gemma4:12b-bf16",
        ),
        (
            "gemma4:31b-qat-q8_0",
            "there is no quantization-aware trained Q8_0 file of gemma4:31b",
            "available: gemma4:31b-qat-ud-q4_k_xl, gemma4:31b-qat-q4_0, gemma4:31b-q8_0",
        ),
        (
            "gemma4:31b-f16",
            "there is no F16 file of gemma4:31b",
            "available: gemma4:31b-bf16, gemma4:31b-ud-q8_k_xl, gemma4:31b-q8_0, gemma4:31b-ud-q6_k_xl,"
            " gemma4:31b-q6_k_l and 33 more",
        ),
    ],
)
def test_a_missing_quantization_lists_the_available_ones(text: str, message: str, hint: str) -> None:
    name = parse_name(text)
    assert isinstance(name, FamilyName)
    with pytest.raises(ModelNotFound) as raised:
        CATALOG.resolve(name)
    error = raised.value
    assert (error.message, error.hint) == (message, f"{hint}; `g4run catalog refresh` asks the Hub for more")
    assert error.pointer is not None
    assert error.pointer.text[error.pointer.start : error.pointer.end] == text.rsplit("-", 1)[1]
