"""Estimate the quality of a file: the published benchmark of its size, and apart from it what its quantization loses.

To order files of all sizes, both become steps of one internal scale that is never shown. A size's steps follow from the
share of wrong answers: 2.5 for each halving, so that neighboring sizes are about one step apart (MMLU-Pro: E2B 3.3, E4B
4.3, 12B 5.3, 26B A4B 6.3, 31B 6.9). A larger model at 3.5 bits is about as good as the next smaller one at 8. This is a
judgment, not a measurement. It is supported by NL2Bash on 31B, which stays at F16's 84.8 % down to 3 bits and falls to
58.6 % at Q2_K; so nothing at or below Q2_K is recommended.

Losses follow localbench's KL divergences of 31B (Q8_0 0.16, Q4_K_M 0.61, UD-Q3_K_XL 0.87), scaled so that Q8_0 loses
0.09 of a step. A file's own measured divergence counts if it is confirmed and the same study measured a Q8_0 of the
same size; figures of different studies are never compared.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

import msgspec

from g4run.kv_types import KvType
from g4run.models.catalog.values import Benchmark, CatalogFile, Quality
from g4run.models.names.types import Size
from g4run.models.quantizations import bits_of

EQUAL_STEPS = 0.03  # a smaller difference says nothing

References: TypeAlias = Mapping[tuple[Size, str], float]

_DIVERGENCE = "KL divergence"
_STEPS_PER_HALVING = 2.5
_LOSS_OF_Q8 = 0.09
_MIN_BITS = 3.2  # of IQ3_XXS, the smallest above Q2_K and its mixes

# Bits per weight of the tag and the loss in steps, with linear interpolation. 8.5, 4.85, and 4.4 are localbench's
# figures for Q8_0, Q4_K_M, and UD-Q3_K_XL; the others are estimated from them.
_LOSSES = (
    (3.2, 1.15),
    (3.5, 0.85),
    (4.4, 0.49),
    (4.85, 0.34),
    (5.7, 0.2),
    (6.6, 0.14),
    (8.5, _LOSS_OF_Q8),
    (16.0, 0.0),
)
_DYNAMIC_BITS = 0.15  # Unsloth's UD mixes match plain ones with this many more bits: localbench on 31B and 26B
# 26B: 43 of 45 prompts right, as many as UD-Q5_K_XL and UD-Q6_K_XL; 85.6 % of its tokens are those of the QAT BF16,
# where dahus has 86.9 % for Q5_K_M of E2B.
_QAT_LOSSES = {"Q4_0": 0.25}
_OTHER_QAT_LOSS = 0.3  # weights trained for Q4_0 but converted to another type

# localbench, KV cache of 26B: q8_0 0.377, q4_0 1.088; on the same scale as the losses above.
_CACHE_LOSSES = {KvType.F16: 0.0, KvType.Q8_0: 0.2, KvType.Q4_0: 0.6}


class Loss(StrEnum):
    """What a quantization loses, in a word."""

    NONE = "none"
    NEAR_LOSSLESS = "near-lossless"
    SLIGHT = "slight"
    NOTICEABLE = "noticeable"
    HEAVY = "heavy"


NEAR_LOSSLESS = (Loss.NONE, Loss.NEAR_LOSSLESS)
_WORDS = ((0.0, Loss.NONE), (0.15, Loss.NEAR_LOSSLESS), (0.4, Loss.SLIGHT), (0.9, Loss.NOTICEABLE))  # most steps


class QualityEstimate(msgspec.Struct, frozen=True):
    """The size's published score, None if there is none, and the loss of the quantization, measured or judged.

    `steps` orders files of all sizes, and includes the loss of the KV cache's type.
    """

    benchmark: str
    score: float | None
    unit: str
    loss: Loss
    divergence: float | None  # KL divergence to BF16, where the loss is measured
    loss_source: str
    steps: float


class _Loss(msgspec.Struct, frozen=True):
    steps: float
    source: str
    divergence: float | None = None


def is_acceptable(quantization: str) -> bool:
    """Return whether a quantization is above Q2_K and its mixes, at which answers collapse."""
    return bits_of(quantization) >= _MIN_BITS


def estimate_quality(
    file: CatalogFile, kv_type: KvType, references: References, benchmarks: Sequence[Benchmark]
) -> QualityEstimate:
    """Estimate a file's quality; the first benchmark is shown, and the mean of those in % orders sizes.

    `references` are the Q8_0 divergences of each study (`find_references`).
    """
    loss, shown = _loss(file, references), benchmarks[0]
    return QualityEstimate(
        benchmark=shown.name,
        score=shown.scores.get(file.size),
        unit=shown.unit,
        loss=next((word for most, word in _WORDS if loss.steps <= most), Loss.HEAVY),
        divergence=loss.divergence,
        loss_source=loss.source,
        steps=round(_steps_of_size(file.size, benchmarks) - loss.steps - _CACHE_LOSSES[kv_type], 2),
    )


def find_references(files: Sequence[CatalogFile]) -> References:
    """Return the divergence of Q8_0 in each study that measured one, by size and source."""
    measured = ((file.size, file.quality) for file in reversed(files) if file.quantization == "Q8_0")
    return {(size, quality.source): quality.value for size, quality in measured if quality and _is_divergence(quality)}


def _steps_of_size(size: Size, benchmarks: Sequence[Benchmark]) -> float:
    shares = [benchmark.scores[size] / 100 for benchmark in benchmarks if benchmark.unit == "%"]
    return -_STEPS_PER_HALVING * sum(math.log2(1 - share) for share in shares) / len(shares)


def _loss(file: CatalogFile, references: References) -> _Loss:
    if file.is_qat:
        steps = _QAT_LOSSES.get(file.quantization, _OTHER_QAT_LOSS)
        return _Loss(steps, "judged: trained for 4 bits, so about as good as 5-bit files")
    quality = file.quality
    reference = references.get((file.size, quality.source)) if quality else None
    if quality and reference and _is_divergence(quality):
        return _Loss(_LOSS_OF_Q8 * quality.value / reference, f"measured: {quality.source}", quality.value)
    return _Loss(_loss_of_bits(file.quantization), "judged by the bits per weight")


def _loss_of_bits(quantization: str) -> float:
    bits = bits_of(quantization) + (_DYNAMIC_BITS if quantization.startswith("UD-") else 0.0)
    for (low, high_loss), (high, low_loss) in pairwise(_LOSSES):
        if bits <= high:
            return high_loss + (low_loss - high_loss) * (max(bits, low) - low) / (high - low)
    return 0.0


def _is_divergence(quality: Quality) -> bool:
    return quality.is_confirmed and quality.metric.startswith(_DIVERGENCE) and quality.value > 0
