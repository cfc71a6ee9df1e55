import pytest
from msgspec.structs import replace

from g4run.kv_types import KvType
from g4run.models.catalog.catalog import read_catalog
from g4run.models.catalog.values import CatalogFile, Quality
from g4run.models.names.types import Size
from g4run.models.quantizations import QUANTIZATIONS
from g4run.planner.recommend.quality import METRIC, QualityEstimate, estimate_quality, find_references, is_acceptable
from tests.planner.golden_table import NOWHERE

CATALOG = read_catalog(NOWHERE)
REFERENCES = find_references(CATALOG.files)
STUDY = "localbench, 31B, 53 quantizations, 250,000 tokens"


def find(size: Size, quantization: str, *, is_qat: bool = False) -> CatalogFile:
    return next(file for file in CATALOG.available(size) if file.quantization == quantization and file.is_qat == is_qat)


def value_of(size: Size, quantization: str, *, is_qat: bool = False) -> float:
    return estimate_quality(find(size, quantization, is_qat=is_qat), KvType.F16, REFERENCES).value


def test_sizes_are_in_order_of_their_parameters() -> None:
    values = [value_of(size, "Q8_0") for size in Size]
    assert values == sorted(values)


def test_a_larger_model_at_3_5_bits_beats_the_next_smaller_at_8() -> None:
    assert value_of(Size.DENSE_31B, "Q3_K_S") > value_of(Size.A4B_26B, "Q8_0")
    assert value_of(Size.E4B, "Q3_K_S") > value_of(Size.E2B, "Q8_0")


def test_below_that_it_does_not() -> None:
    assert value_of(Size.DENSE_31B, "IQ3_XXS") < value_of(Size.A4B_26B, "Q8_0")


@pytest.mark.parametrize("size", Size)
def test_quantization_aware_training_beats_ordinary_4_and_5_bits(size: Size) -> None:
    qat = value_of(size, "Q4_0", is_qat=True)
    ordinary = [
        estimate_quality(file, KvType.F16, REFERENCES).value
        for file in CATALOG.available(size)
        if not file.is_qat and file.quantization.removeprefix("UD-")[:2] in ("Q4", "Q5", "IQ")
    ]
    assert ordinary
    assert max(ordinary) < qat < value_of(size, "Q8_0")


def test_a_divergence_is_relative_to_q8_of_the_same_study() -> None:
    assert REFERENCES == {(Size.DENSE_31B, STUDY): 0.16}
    assert estimate_quality(find(Size.DENSE_31B, "Q4_K_M"), KvType.F16, REFERENCES) == QualityEstimate(
        round(5 - 0.09 * 0.61 / 0.16, 2), METRIC, f"KL divergence 0.61; {STUDY}"
    )


@pytest.mark.parametrize(
    "quality",
    [
        Quality(0.61, "KL divergence to BF16, lower is better", "another study", is_confirmed=True),
        Quality(0.61, "KL divergence to BF16, lower is better", STUDY, is_confirmed=False),
        Quality(0.61, "right of 45 prompts", STUDY, is_confirmed=True),
        None,
    ],
)
def test_without_a_usable_divergence_bits_decide(quality: Quality | None) -> None:
    file = replace(find(Size.DENSE_31B, "Q5_K_M"), quality=quality)
    assert estimate_quality(file, KvType.F16, REFERENCES) == QualityEstimate(
        4.8, METRIC, "estimated from the bits per weight of its quantization"
    )


def test_more_bits_are_never_worse() -> None:
    plain = replace(find(Size.DENSE_31B, "Q5_K_M"), quality=None)
    tags = ("IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_XS", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "BF16")
    values = [estimate_quality(replace(plain, quantization=tag), KvType.F16, REFERENCES).value for tag in tags]
    assert values == sorted(values)
    assert values[-1] == 5


def test_a_quantized_cache_costs_quality() -> None:
    file = find(Size.A4B_26B, "Q8_0")
    values = [estimate_quality(file, kv_type, REFERENCES).value for kv_type in (KvType.F16, KvType.Q8_0, KvType.Q4_0)]
    assert values == [3.91, 3.71, 3.31]


def test_nothing_at_or_below_q2_k_is_acceptable() -> None:
    refused = {tag for tag in QUANTIZATIONS if not is_acceptable(tag)}
    plain = {"IQ1_S", "IQ1_M", "TQ1_0", "TQ2_0", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"}
    plain |= {"Q2_K_S", "Q2_K", "Q2_K_L", "Q2_K_XL"}
    assert refused == plain | {f"UD-{tag}" for tag in plain}
