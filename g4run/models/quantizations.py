"""Quantization tags, and the role of a GGUF file by its name: model, part, projector, or drafter.

Publishers name their files in many ways (`…-Q4_K_M.gguf`, `gemma-4-26B_q4_0-it.gguf`,
`BF16/…-BF16-00001-of-00002.gguf`), so a tag may be anywhere in the name, and the last one counts.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

# Bits per weight of a tensor including scales: block sizes of ggml-common.h; for mixes, rounded from llama.cpp's
# tools/quantize/README.md. A real file has more if its tensors do not divide into super-blocks.
_BITS = {
    "IQ1_S": 1.6,
    "TQ1_0": 1.7,
    "IQ1_M": 1.8,
    "TQ2_0": 2.06,
    "IQ2_XXS": 2.1,
    "IQ2_XS": 2.3,
    "IQ2_S": 2.5,
    "IQ2_M": 2.7,
    "Q2_K_S": 2.8,
    "Q2_K": 3.0,
    "Q2_K_L": 3.1,
    "Q2_K_XL": 3.15,
    "IQ3_XXS": 3.2,
    "IQ3_XS": 3.3,
    "IQ3_S": 3.44,
    "Q3_K_S": 3.5,
    "IQ3_M": 3.66,
    "Q3_K_M": 3.9,
    "Q3_K_L": 4.2,
    "Q3_K_XL": 4.25,
    "IQ4_XS": 4.3,
    "MXFP4": 4.35,
    "MXFP4_MOE": 4.4,
    "IQ4_NL": 4.5,
    "Q4_0": 4.55,
    "Q4_K_S": 4.6,
    "Q4_K_M": 4.85,
    "Q4_K_L": 4.9,
    "Q4_K_XL": 4.95,
    "Q4_1": 5.0,
    "Q5_0": 5.5,
    "Q5_K_S": 5.55,
    "Q5_K_M": 5.7,
    "Q5_K_L": 5.75,
    "Q5_K_XL": 5.8,
    "Q5_1": 6.0,
    "Q6_K": 6.6,
    "Q6_K_L": 6.7,
    "Q6_K_XL": 7.0,
    "Q8_0": 8.5,
    "Q8_K_XL": 9.5,
    "F16": 16.0,
    "BF16": 16.0,
    "F32": 32.0,
}
_DYNAMIC = "UD-"  # Unsloth's dynamic mixes, which choose each layer's type by measurement
QUANTIZATIONS: tuple[str, ...] = tuple(
    prefix + tag for tag in _BITS for prefix in (("", _DYNAMIC) if "_" in tag else ("",))
)
_BY_LOWER_CASE = {tag.lower(): tag for tag in QUANTIZATIONS}
_TAG = re.compile(
    r"(?:^|[-_.])((?:ud-)?(?:" + "|".join(sorted(_BITS, key=len, reverse=True)) + r"))(?=[-_.]|$)",
    re.IGNORECASE | re.ASCII,
)
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE | re.ASCII | re.DOTALL)
_DRAFTER_WORDS = frozenset({"mtp", "assistant"})
_OTHER_WORDS = frozenset({"imatrix", "vocab"})

# Default for a repository: the best at about 4 bits, else the next larger, else the next smaller.
_DEFAULT_ORDER = (
    *("UD-Q4_K_XL", "Q4_K_L", "UD-Q4_K_M", "Q4_K_M", "Q4_0", "UD-Q4_K_S", "Q4_K_S", "Q4_1", "UD-IQ4_NL", "IQ4_NL"),
    *("UD-IQ4_XS", "IQ4_XS", "MXFP4_MOE", "UD-Q5_K_XL", "Q5_K_L", "UD-Q5_K_M", "Q5_K_M", "Q5_K_S", "UD-Q6_K_XL"),
    *("Q6_K_L", "UD-Q6_K", "Q6_K", "UD-Q8_K_XL", "Q8_0", "UD-Q3_K_XL", "Q3_K_XL", "Q3_K_L", "UD-Q3_K_M", "Q3_K_M"),
    *("UD-IQ3_XXS", "BF16", "F16"),
)
_PROJECTOR_ORDER = ("BF16", "F16", "F32", "Q8_0")  # the encoders were trained in BF16
_DENSE_DRAFTER_ORDER = ("Q8_0", None, "BF16", "F16", "Q4_0")  # None: a file without a tag
_EXPERTS_DRAFTER_ORDER = ("Q4_0", None, "Q8_0", "BF16", "F16")  # measured: with experts, the smallest head is fastest


class FileRole(StrEnum):
    """The role of a file in a model."""

    MODEL = "model"
    PROJECTOR = "projector"  # adds vision and audio
    DRAFTER = "drafter"  # proposes tokens that the model verifies
    OTHER = "other"  # never loaded


def normalize_quantization(text: str) -> str | None:
    """Return the canonical tag: q4_k_m -> Q4_K_M, ud-q4_k_xl -> UD-Q4_K_XL; None if it is not a tag."""
    return _BY_LOWER_CASE.get(text.lower())


def bits_of(quantization: str) -> float:
    """Return the bits per weight of a canonical tag."""
    return _BITS[quantization.removeprefix(_DYNAMIC)]


def quantization_of(file_name: str) -> str | None:
    """Return the quantization of a model file or part; None for other files, and if the name does not tell."""
    return tag_of(file_name) if role_of(file_name) is FileRole.MODEL else None


def tag_of(file_name: str) -> str | None:
    """Return the last tag in the name of any file, including projectors and drafters."""
    stem = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    shard = shard_of(stem)
    stem = shard[0] if shard else stem[:-5] if stem.lower().endswith(".gguf") else stem
    found = _TAG.findall(stem)
    return normalize_quantization(found[-1]) if found else None


@lru_cache(maxsize=4096)  # a refreshed catalog asks for about 500 files several times
def role_of(file_name: str) -> FileRole:
    """Return the role of a file from its name or its path in a repository."""
    path = file_name.replace("\\", "/").lower()
    *folders, name = path.split("/")
    words = set(re.split(r"[-_.]", name))
    if not name.endswith(".gguf") or words & _OTHER_WORDS:
        return FileRole.OTHER
    if "mmproj" in words:
        return FileRole.PROJECTOR
    if words & _DRAFTER_WORDS or "mtp" in folders:
        return FileRole.DRAFTER
    return FileRole.MODEL


def shard_of(file_name: str) -> tuple[str, int, int] | None:
    """Return the common stem, number (from 1), and count of a part of a split model; None for other files."""
    match = _SHARD.fullmatch(file_name)
    if match is None:
        return None
    number, count = int(match[2]), int(match[3])
    return (match[1], number, count) if 1 <= number <= count else None


def group_shards(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Group paths by model, parts in order, models in the order of their first path.

    A model with a missing part is left out, because it cannot be loaded.
    """
    groups: dict[tuple[str, int], dict[int, str]] = {}
    for path in dict.fromkeys(paths):
        stem, number, count = shard_of(path) or (path, 1, 0)
        groups.setdefault((stem, count), {})[number] = path
    return tuple(
        tuple(path for _, path in sorted(parts.items()))
        for (_, count), parts in groups.items()
        if len(parts) == max(count, 1)
    )


def default_rank(quantization: str, *, is_qat: bool) -> float:
    """Return the rank of a quantization as a repository's default; the lowest wins.

    Quantization-aware trained weights are best as Q4_0, which they were trained for.
    """
    if is_qat and quantization == "Q4_0":
        return -1
    if quantization in _DEFAULT_ORDER:
        return _DEFAULT_ORDER.index(quantization)
    return len(_DEFAULT_ORDER) + abs(bits_of(quantization) - 5)


def projector_rank(path: str) -> tuple[int, int, str]:
    """Return the rank of a projector among those of a repository; the lowest wins."""
    return _companion_rank(path, _PROJECTOR_ORDER)


def drafter_rank(path: str, *, has_experts: bool) -> tuple[int, int, str]:
    """Return the rank of a drafter among those of a repository; the lowest wins."""
    return _companion_rank(path, _EXPERTS_DRAFTER_ORDER if has_experts else _DENSE_DRAFTER_ORDER)


def _companion_rank(path: str, order: tuple[str | None, ...]) -> tuple[int, int, str]:
    tag = tag_of(path)
    return order.index(tag) if tag in order else len(order), path.count("/"), path
