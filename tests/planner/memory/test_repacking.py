"""Which weights a processor has in another order, by ggml's own rules."""

from dataclasses import replace

import pytest

from g4run.hardware.machine import Platform
from g4run.hardware.processors import Processors
from g4run.planner.memory.repacking import is_repacked
from tests.planner.machines import machine

TYPES = ("Q4_0", "Q4_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "IQ4_XS", "MXFP4", "BF16", "")
AVX2 = {"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"}
AMX = {"Q4_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_XS"}
ARM = {"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"}


@pytest.mark.parametrize(
    ("architecture", "instruction_sets", "repacked"),
    [
        ("x86_64", (), AVX2),
        ("AMD64", (), AVX2),
        ("arm64", (), ARM),
        ("aarch64", (), ARM),
        ("riscv64", (), set[str]()),
        ("x86_64", ("avx",), set[str]()),
        ("x86_64", ("avx", "avx2", "fma"), AVX2),
        ("x86_64", ("avx2", "avx512f"), AVX2 | {"Q2_K"}),
        ("x86_64", ("avx2", "amx_int8"), AVX2 | AMX),
        ("aarch64", ("neon",), set[str]()),
        ("aarch64", ("neon", "dotprod"), ARM),
    ],
)
def test_the_types_of_each_processor(architecture: str, instruction_sets: tuple[str, ...], repacked: set[str]) -> None:
    here = replace(
        machine(8),
        platform=Platform("Linux", architecture),
        processors=Processors(4, None, instruction_sets=instruction_sets),
    )
    assert {weight_type for weight_type in TYPES if is_repacked(weight_type, here)} == repacked
