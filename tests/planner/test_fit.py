"""Whether a model fits: the sum, beside llama.cpp's own figures, and the verdict."""

import pytest

from g4run.hardware.memory import Memory
from g4run.planner.fit import Fit, judge_fit, needed_bytes

MIB = 1 << 20
GIB = 1 << 30


# KV cache at f16, one sequence, micro-batch 512, as llama.cpp prints it under no_alloc; compute with flash attention.
@pytest.mark.parametrize(
    ("size_label", "context_length", "cache_mib", "compute_mib"),
    [
        ("E2B", 8192, 60, 119),
        ("E2B", 131_072, 780, 239),
        ("E4B", 8192, 168, 121),
        ("E4B", 32_768, 552, 145),
        ("12B", 8192, 608, 138),
        ("26B A4B", 8192, 460, 106),
        ("26B A4B", 131_072, 2860, 226),
        ("31B", 8192, 1840, 183),
        ("31B", 32_768, 3760, 207),
        ("31B", 262_144, 21_680, 431),
    ],
)
def test_cache_and_compute_buffer_are_llama_cpp_s(
    size_label: str, context_length: int, cache_mib: int, compute_mib: int
) -> None:
    extra = needed_bytes(0, size_label, context_length)
    assert extra / MIB == pytest.approx(cache_mib + compute_mib, abs=1.5)


def test_a_short_context_keeps_no_more_cells_than_it_has() -> None:
    assert needed_bytes(0, "31B", 256) < needed_bytes(0, "31B", 1024) < needed_bytes(0, "31B", 8192)
    assert needed_bytes(0, "31B", 600) == needed_bytes(0, "31B", 768)  # rounded up to 256 cells


def test_an_unknown_model_needs_its_file_and_a_margin() -> None:
    assert needed_bytes(1000, "other") == 1150


@pytest.mark.parametrize(
    ("needed", "limit", "fit"),
    [
        (8 * GIB, None, Fit.YES),
        (8 * GIB + 1, None, Fit.TIGHT),
        (16 * GIB, None, Fit.TIGHT),
        (16 * GIB + 1, None, Fit.NO),
        (12 * GIB + 1, 12 * GIB, Fit.NO),
        (12 * GIB, 12 * GIB, Fit.TIGHT),
    ],
)
def test_the_verdict(needed: int, limit: int | None, fit: Fit) -> None:
    assert judge_fit(needed, Memory(total_bytes=16 * GIB, available_bytes=8 * GIB, limit_bytes=limit)) is fit
