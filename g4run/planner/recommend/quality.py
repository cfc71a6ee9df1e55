"""Estimate the quality of a file as one number that orders sizes and quantizations.

The number is the rank of the size, 1 (E2B) to 5 (31B), minus the loss of its quantization. One step between sizes is
worth more than any loss from about 3.5 bits up: a larger model at 3.5 bits beats the next smaller one at 8. This is a
judgement, not a measurement. It is supported by NL2Bash on 31B, which stays at F16's 84.8 % down to 3 bits and falls to
58.6 % at Q2_K; so nothing at or below Q2_K is recommended.

Losses follow localbench's KL divergences of 31B (Q8_0 0.16, Q4_K_M 0.61, UD-Q3_K_XL 0.87), scaled so that Q8_0 loses
0.09 of a step. A file's own measured divergence counts if it is confirmed and the same study measured a Q8_0 of the
same size; figures of different studies are never compared.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec

from g4run.kv_types import KvType
from g4run.models.catalog.values import CatalogFile, Quality
from g4run.models.names.types import Size
from g4run.models.quantizations import bits_of

METRIC = "size step, 1 (E2B) to 5 (31B), minus the quantization loss; higher is better"

# By parameters; 26B A4B ranks above 12B, although it uses only 4B of its parameters per token.
SIZE_STEPS = {Size.E2B: 1, Size.E4B: 2, Size.DENSE_12B: 3, Size.A4B_26B: 4, Size.DENSE_31B: 5}

References: TypeAlias = Mapping[tuple[Size, str], float]

_DIVERGENCE = "KL divergence"
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
_QAT_LOSSES = {"Q4_0": 0.15}  # 45 prompts on 26B: 43 right, as many as UD-Q5_K_XL and UD-Q6_K_XL
_OTHER_QAT_LOSS = 0.2  # weights trained for Q4_0 but converted to another type

# localbench, KV cache of 26B: q8_0 0.377, q4_0 1.088; on the same scale as the losses above.
_CACHE_LOSSES = {KvType.F16: 0.0, KvType.Q8_0: 0.2, KvType.Q4_0: 0.6}


class QualityEstimate(msgspec.Struct, frozen=True):
    """A quality estimate, and its source."""

    value: float
    metric: str
    source: str


def is_acceptable(quantization: str) -> bool:
    """Return whether a quantization is above Q2_K and its mixes, at which answers collapse."""
    return bits_of(quantization) >= _MIN_BITS


def estimate_quality(file: CatalogFile, kv_type: KvType, references: References) -> QualityEstimate:
    """Estimate a file's quality; `references` are the Q8_0 divergences of each study (`find_references`)."""
    loss, source = _loss(file, references)
    value = SIZE_STEPS[file.size] - loss - _CACHE_LOSSES[kv_type]
    return QualityEstimate(round(value, 2), METRIC, source)


def find_references(files: Sequence[CatalogFile]) -> References:
    """Return the divergence of Q8_0 in each study that measured one, by size and source."""
    measured = ((file.size, file.quality) for file in reversed(files) if file.quantization == "Q8_0")
    return {(size, quality.source): quality.value for size, quality in measured if quality and _is_divergence(quality)}


def _loss(file: CatalogFile, references: References) -> tuple[float, str]:
    if file.is_qat:
        return _QAT_LOSSES.get(file.quantization, _OTHER_QAT_LOSS), "quantization-aware trained: as good as 6 bits"
    quality = file.quality
    reference = references.get((file.size, quality.source)) if quality else None
    if quality and reference and _is_divergence(quality):
        return _LOSS_OF_Q8 * quality.value / reference, f"{_DIVERGENCE} {quality.value:g}; {quality.source}"
    return _loss_of_bits(file.quantization), "estimated from the bits per weight of its quantization"


def _loss_of_bits(quantization: str) -> float:
    bits = bits_of(quantization) + (_DYNAMIC_BITS if quantization.startswith("UD-") else 0.0)
    for (low, high_loss), (high, low_loss) in pairwise(_LOSSES):
        if bits <= high:
            return high_loss + (low_loss - high_loss) * (max(bits, low) - low) / (high - low)
    return 0.0


def _is_divergence(quality: Quality) -> bool:
    return quality.is_confirmed and quality.metric.startswith(_DIVERGENCE) and quality.value > 0
