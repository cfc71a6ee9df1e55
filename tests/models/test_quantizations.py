from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4run.models.quantizations import (
    QUANTIZATIONS,
    FileRole,
    bits_of,
    default_rank,
    drafter_rank,
    group_shards,
    normalize_quantization,
    projector_rank,
    quantization_of,
    role_of,
    shard_of,
    tag_of,
)


@pytest.mark.parametrize("tag", QUANTIZATIONS)
def test_a_tag_is_known_in_any_case(tag: str) -> None:
    assert normalize_quantization(tag.lower()) == tag
    assert quantization_of(f"some-model-{tag}.gguf") == tag
    assert quantization_of(f"some-model.{tag.lower()}.gguf") == tag


@pytest.mark.parametrize("text", ["", "q4", "q4km", "q4-k-m", "ud-", "UD-BF16", "Q4_K_M "])
def test_unknown_tags(text: str) -> None:
    assert normalize_quantization(text) is None


@pytest.mark.parametrize(
    ("path", "quantization"),
    [
        ("gemma-4-26B_q4_0-it.gguf", "Q4_0"),
        ("gemma-4-12b-it-qat-q4_0.gguf", "Q4_0"),
        ("gemma-4-12B-it-qat-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("gemma-4-26B-A4B-it-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("google_gemma-4-31B-it-Q6_K_L.gguf", "Q6_K_L"),
        ("gemma-4-E2B-it-bf16.gguf", "BF16"),
        ("BF16/gemma-4-31B-it-BF16-00002-of-00002.gguf", "BF16"),
        ("Q8_0/model.gguf", None),
        ("gemma-4-qat-q4_0-unquantized-Q8_0.GGUF", "Q8_0"),
        ("gemma-4-31B-it.gguf", None),
        ("mmproj-gemma-4-12b-it-qat-q4_0.gguf", None),
        ("mtp-gemma-4-E2B-it-Q8_0.gguf", None),
        ("gemma-4-Q4_0.safetensors", None),
    ],
)
def test_the_quantization_of_a_file(path: str, quantization: str | None) -> None:
    assert quantization_of(path) == quantization


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("gemma-4-26B_q4_0-it.gguf", FileRole.MODEL),
        ("BF16/gemma-4-31B-it-BF16-00001-of-00002.gguf", FileRole.MODEL),
        ("mmproj-BF16.gguf", FileRole.PROJECTOR),
        ("mmproj-gemma-4-12b-it-qat-q4_0.gguf", FileRole.PROJECTOR),
        ("gemma-4-E2B-it-mmproj.gguf", FileRole.PROJECTOR),
        ("mmproj-google_gemma-4-31B-it-f16.gguf", FileRole.PROJECTOR),
        ("mtp-gemma-4-E2B-it.gguf", FileRole.DRAFTER),
        ("MTP/gemma-4-31B-it-Q8_0-MTP.gguf", FileRole.DRAFTER),
        ("MTP/gemma-4-31B-it-Q8_0.gguf", FileRole.DRAFTER),
        ("gemma4-12b-mtp-assistant-BF16.gguf", FileRole.DRAFTER),
        ("google_gemma-4-31B-it-imatrix.gguf", FileRole.OTHER),
        ("ggml-vocab-gemma-4.gguf", FileRole.OTHER),
        ("README.md", FileRole.OTHER),
        ("model.safetensors", FileRole.OTHER),
    ],
)
def test_the_role_of_a_file(path: str, role: FileRole) -> None:
    assert role_of(path) is role


def test_the_tag_of_a_companion() -> None:
    assert tag_of("mmproj-google_gemma-4-31B-it-f16.gguf") == "F16"
    assert tag_of("MTP/gemma-4-31B-it-Q8_0-MTP.gguf") == "Q8_0"


@pytest.mark.parametrize(
    ("path", "shard"),
    [
        ("BF16/x-BF16-00001-of-00002.gguf", ("BF16/x-BF16", 1, 2)),
        ("x-00003-of-00003.GGUF", ("x", 3, 3)),
        ("x-00000-of-00002.gguf", None),
        ("x-00003-of-00002.gguf", None),
        ("x-1-of-2.gguf", None),
        ("x.gguf", None),
    ],
)
def test_the_parts_of_a_model(path: str, shard: tuple[str, int, int] | None) -> None:
    assert shard_of(path) == shard


def test_complete_models_are_grouped_with_parts_in_order() -> None:
    paths = [
        "a-00002-of-00002.gguf",
        "b.gguf",
        "a-00001-of-00002.gguf",
        "c-00001-of-00003.gguf",
        "c-00003-of-00003.gguf",
        "a-00001-of-00001.gguf",
        "b.gguf",
    ]
    assert group_shards(paths) == (
        ("a-00001-of-00002.gguf", "a-00002-of-00002.gguf"),
        ("b.gguf",),
        ("a-00001-of-00001.gguf",),
    )


@given(st.text(max_size=40))
def test_every_file_name_has_a_role(name: str) -> None:
    assert (quantization_of(name) is not None) <= (role_of(name) is FileRole.MODEL)
    assert tag_of(name) in {*QUANTIZATIONS, None}
    shard_of(name)


def test_tags_are_ordered_by_their_bits() -> None:
    assert all(bits_of(small) <= bits_of(large) for small, large in pairwise(QUANTIZATIONS))


def best(*tags: str, is_qat: bool = False) -> str:
    return min(tags, key=lambda tag: default_rank(tag, is_qat=is_qat))


def test_the_default_is_the_best_4_bit_file() -> None:
    assert best("Q8_0", "Q4_K_M", "UD-Q4_K_XL", "Q4_0", "Q5_K_M") == "UD-Q4_K_XL"
    assert best("UD-Q4_K_XL", "Q4_0", is_qat=True) == "Q4_0"
    assert best("BF16", "Q8_0", "Q3_K_M") == "Q8_0"
    assert best("Q3_K_M", "UD-IQ3_XXS", "BF16") == "Q3_K_M"
    assert best("IQ1_M", "Q2_K") == "Q2_K"


def test_the_best_projector_and_drafter() -> None:
    projectors = ["mmproj-F32.gguf", "mmproj-F16.gguf", "mmproj-BF16.gguf", "mmproj-Q8_0.gguf", "mmproj.gguf"]
    order = sorted(projectors, key=projector_rank)
    assert order == ["mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf", "mmproj-Q8_0.gguf", "mmproj.gguf"]
    drafters = ["MTP/x-BF16-MTP.gguf", "mtp-x.gguf", "MTP/x-Q4_0-MTP.gguf", "MTP/x-Q8_0-MTP.gguf"]
    assert min(drafters, key=lambda path: drafter_rank(path, has_experts=False)) == "MTP/x-Q8_0-MTP.gguf"
    assert min(drafters, key=lambda path: drafter_rank(path, has_experts=True)) == "MTP/x-Q4_0-MTP.gguf"
    assert min(drafters[:2], key=lambda path: drafter_rank(path, has_experts=False)) == "mtp-x.gguf"
