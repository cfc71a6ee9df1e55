import pytest
from msgspec.structs import replace

from g4run.kv_types import KvType
from g4run.models.catalog.catalog import read_catalog
from g4run.models.catalog.values import CatalogFile, Quality
from g4run.models.names.types import Size
from g4run.models.quantizations import QUANTIZATIONS
from g4run.planner.recommend.quality import Loss, QualityEstimate, estimate_quality, find_references, is_acceptable
from tests.planner.golden_table import NOWHERE

CATALOG = read_catalog(NOWHERE)
REFERENCES = find_references(CATALOG.files)
STUDY = "localbench, 31B, 53 quantizations, 250,000 tokens"


def find(size: Size, quantization: str, *, is_qat: bool = False) -> CatalogFile:
    return next(file for file in CATALOG.available(size) if file.quantization == quantization and file.is_qat == is_qat)


def estimate(file: CatalogFile, kv_type: KvType = KvType.F16, goal: str = "chat") -> QualityEstimate:
    return estimate_quality(file, kv_type, REFERENCES, (CATALOG.benchmarks[goal], CATALOG.benchmarks["chat"]))


def steps_of(size: Size, quantization: str, *, is_qat: bool = False) -> float:
    return estimate(find(size, quantization, is_qat=is_qat)).steps


@pytest.mark.parametrize("goal", CATALOG.benchmarks)
def test_sizes_are_in_order_of_their_parameters(goal: str) -> None:
    steps = [estimate(find(size, "Q8_0"), goal=goal).steps for size in Size]
    assert steps == sorted(steps)


def test_the_published_score_is_shown_as_it_is_and_a_missing_one_is_empty() -> None:
    shown = estimate(find(Size.DENSE_31B, "Q8_0"), goal="code")
    assert (shown.benchmark, shown.score, shown.unit) == ("LiveCodeBench v6", 80.0, "%")
    missing = estimate(find(Size.DENSE_12B, "Q8_0"), goal="audio")
    assert (missing.benchmark, missing.score, missing.unit) == ("CoVoST", None, "BLEU")


def test_a_larger_model_at_4_bits_beats_the_next_smaller_at_8() -> None:
    assert steps_of(Size.DENSE_31B, "Q4_K_M") > steps_of(Size.A4B_26B, "Q8_0")
    assert steps_of(Size.E4B, "Q3_K_S") > steps_of(Size.E2B, "Q8_0")


def test_below_that_it_does_not() -> None:
    assert steps_of(Size.DENSE_31B, "IQ3_XXS") < steps_of(Size.A4B_26B, "Q8_0")


@pytest.mark.parametrize("size", Size)
def test_quantization_aware_training_beats_ordinary_4_bits(size: Size) -> None:
    qat = steps_of(size, "Q4_0", is_qat=True)
    ordinary = [
        estimate(file).steps
        for file in CATALOG.available(size)
        if not file.is_qat and file.quantization.removeprefix("UD-")[:2] in ("Q4", "IQ")
    ]
    assert ordinary
    assert max(ordinary) < qat < steps_of(size, "Q8_0")


def test_the_loss_has_a_word_and_a_figure_only_where_it_is_measured() -> None:
    losses = {
        tag: (found.loss, found.divergence)
        for tag in ("BF16", "Q8_0", "Q6_K", "Q4_K_M", "UD-Q3_K_XL", "UD-IQ3_XXS")
        for found in [estimate(find(Size.DENSE_31B, tag))]
    }
    assert losses == {
        "BF16": (Loss.NONE, None),
        "Q8_0": (Loss.NEAR_LOSSLESS, 0.16),
        "Q6_K": (Loss.NEAR_LOSSLESS, None),
        "Q4_K_M": (Loss.SLIGHT, 0.61),
        "UD-Q3_K_XL": (Loss.NOTICEABLE, 0.87),
        "UD-IQ3_XXS": (Loss.HEAVY, None),
    }


def test_a_divergence_is_relative_to_q8_of_the_same_study() -> None:
    assert REFERENCES == {(Size.DENSE_31B, STUDY): 0.16}
    measured = estimate(find(Size.DENSE_31B, "Q4_K_M"))
    assert steps_of(Size.DENSE_31B, "BF16") - measured.steps == pytest.approx(0.09 * 0.61 / 0.16, abs=0.01)
    assert measured.loss_source == f"measured: {STUDY}"


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
    found = estimate(file)
    assert (found.divergence, found.loss_source) == (None, "judged by the bits per weight")
    assert steps_of(Size.DENSE_31B, "BF16") - found.steps == pytest.approx(0.2, abs=0.01)


def test_more_bits_are_never_worse() -> None:
    plain = replace(find(Size.DENSE_31B, "Q5_K_M"), quality=None)
    tags = ("IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_XS", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "BF16")
    steps = [estimate(replace(plain, quantization=tag)).steps for tag in tags]
    assert steps == sorted(steps)


def test_a_quantized_cache_costs_quality() -> None:
    file = find(Size.A4B_26B, "Q8_0")
    best, *others = (estimate(file, kv_type).steps for kv_type in (KvType.F16, KvType.Q8_0, KvType.Q4_0))
    assert [best - other for other in others] == pytest.approx([0.2, 0.6])


def test_nothing_at_or_below_q2_k_is_acceptable() -> None:
    refused = {tag for tag in QUANTIZATIONS if not is_acceptable(tag)}
    plain = {"IQ1_S", "IQ1_M", "TQ1_0", "TQ2_0", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"}
    plain |= {"Q2_K_S", "Q2_K", "Q2_K_L", "Q2_K_XL"}
    assert refused == plain | {f"UD-{tag}" for tag in plain}
