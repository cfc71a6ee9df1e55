"""The planner's figures compared with llama.cpp's for all sizes; tests/benchmarks/memory.py has the whole sweep."""

from pathlib import Path

import pytest

from g4run.kv_types import KvType
from tests.benchmarks.memory import compare, cpu_settings

CASES = {"e2b": "Q4_0", "e4b": "Q4_K_M", "12b": "Q8_0", "26b": "Q4_K_M", "31b": "BF16"}


@pytest.mark.parametrize(("size", "quantization"), CASES.items())
def test_cache_weights_and_output_are_exact_and_compute_within_one_percent(
    size: str, quantization: str, tmp_path: Path
) -> None:
    settings = [
        cpu_settings(4096, KvType.F16, 1, 512),
        cpu_settings(4096, KvType.Q4_0, 3, 100),
        cpu_settings(32_768, KvType.Q8_0, 4, 2048),
        cpu_settings(131_072, KvType.F16, 4, 512),
        cpu_settings(1000, KvType.Q8_0, 1, 2048),
        cpu_settings(8192, KvType.F16, 1, 512, repack=True),
    ]
    compared = compare(size, quantization, settings, tmp_path)
    if not compared[0].theirs.is_exact:
        pytest.skip("only Linux on x86-64 can be asked to the byte")
    assert [(one.kv_error, one.weights_error, one.output_error) for one in compared] == [(0, 0, 0)] * len(settings)
    assert [one.compute_ratio for one in compared] == pytest.approx([1.0] * len(settings), rel=0.01)
