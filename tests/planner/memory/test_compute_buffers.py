"""Compute buffers: exact to the byte on the CPU, and compared with published logs for GPUs."""

import pytest

from g4run.kv_types import KvType
from g4run.planner.memory.compute_buffers import ComputeRole, compute_bytes, output_bytes, rotation_bytes
from g4run.planner.values import PlanSettings
from tests.fakes.library import resolve
from tests.planner.plans import settings_of
from tests.planner.shapes import real_architecture

MIB = 1 << 20


# Bytes that llama.cpp reports with no_alloc (llama_get_memory_breakdown), CPU backend, flash attention.
@pytest.mark.parametrize(
    ("size", "load", "size_bytes"),
    [
        ("e2b", settings_of(8192, 512, 1, KvType.F16), 124_278_848),
        ("26b", settings_of(8192, 512, 1, KvType.F16), 110_645_312),
        ("e2b", settings_of(4096, 512, 1, KvType.F16), 120_084_544),
        ("e2b", settings_of(4096, 512, 16, KvType.F16), 123_230_272),
    ],
)
def test_cpu_buffers_equal_llama_cpps_to_the_byte(size: str, load: PlanSettings, size_bytes: int) -> None:
    assert compute_bytes(real_architecture(size), load) == size_bytes


def test_a_micro_batch_is_never_longer_than_the_context() -> None:
    architecture = real_architecture("12b")
    short = settings_of(256, 2048, 1, KvType.F16)
    assert compute_bytes(architecture, short) == compute_bytes(architecture, settings_of(256, 256, 1, KvType.F16))


def test_a_quantized_cache_is_rotated() -> None:
    architecture = real_architecture("12b")
    assert rotation_bytes(architecture) == 4 * (512**2 + 256**2 + 2 * 64**2)
    plain, rotated = (compute_bytes(architecture, settings_of(8192, 512, 1, kv)) for kv in (KvType.F16, KvType.Q8_0))
    assert rotated - plain == rotation_bytes(architecture)


def test_logits_outweigh_a_tiny_micro_batch() -> None:
    """Eight sequences and 32 tokens of an E2B at 131,072: 18,499,008 bytes measured."""
    found = compute_bytes(real_architecture("e2b"), settings_of(131_072, 32, 8, KvType.F16))
    assert found == pytest.approx(18_499_008, rel=0.001)
    assert found > 9 * MIB + 32 * 2 * 131_072


def test_gpu_buffers_match_published_logs() -> None:
    """ollama#16617 (partly offloaded 12B) and llama.cpp#24376 (E4B on ROCm), in whole MiB as printed."""
    partly = settings_of(4096, 512, 1, KvType.Q8_0)
    staged = compute_bytes(real_architecture("12b"), partly, ComputeRole.LAYERS, staging_bytes=33_177_600)
    assert staged / MIB == pytest.approx(139, rel=0.02)
    assert round(compute_bytes(real_architecture("12b"), partly, ComputeRole.INPUTS) / MIB) == 22
    whole = settings_of(131_072, 2048, 1, KvType.F16)
    assert round(compute_bytes(real_architecture("e4b"), whole, ComputeRole.LAYERS) / MIB) == 1278
    assert round(compute_bytes(real_architecture("e4b"), whole, ComputeRole.INPUTS) / MIB) == 648


def test_a_pipeline_of_gpus_has_four_copies_of_its_inputs() -> None:
    architecture, load = real_architecture("31b"), settings_of(262_144, 512, 1, KvType.F16)
    one, four = (compute_bytes(architecture, load, ComputeRole.LAYERS, input_copies=copies) for copies in (1, 4))
    assert four - one == 3 * (2 * 512 * (262_144 + 1536) + 64) + 4 * 512 * 2 * 4 * 5376


def test_the_output_buffer_has_a_row_of_logits_per_sequence() -> None:
    assert output_bytes(real_architecture("e2b"), 4) == 4 * MIB


def test_an_unknown_size_gets_an_upper_bound() -> None:
    """The built-in model at a context of 4096 and a micro-batch of 512: 9,066,528 bytes under no_alloc."""
    demo = resolve("demo").architecture
    assert 9_066_528 <= compute_bytes(demo, settings_of(4096, 512, 1, KvType.F16)) < 1.5 * 9_066_528
