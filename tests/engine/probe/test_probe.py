"""What llama.cpp says a load would take; and what becomes of a probe that fails."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.probe import DeviceMemory, ProbedMemory, ProbeFailure, probe
from g4run.kv_types import KvType
from tests.engine.requests import DEMO
from tests.fakes.gguf_files import EXPERTS, SMALL, foreign_file, gemma4_file


def dry_run(path: Path, context_length: int = 4096, **settings: int | bool) -> LoadParameters:
    return LoadParameters(
        os.fsencode(path),
        context_length,
        threads=1,
        gpu_layers=0,
        cpu_expert_layers=int(settings.get("cpu_expert_layers", 0)),
        repack=bool(settings.get("repack", False)),
    )


def test_the_built_in_model_s_figures() -> None:
    on_cpu = DeviceMemory(
        name="CPU", weights_bytes=3_573_568, kv_bytes=2_293_760, compute_bytes=9_066_528, output_bytes=6080
    )
    found = probe(dry_run(Path(DEMO)))
    assert isinstance(found, ProbedMemory)
    if found.is_exact:  # Linux on x86-64
        assert [device.name for device in found.devices] == ["CPU"]
        assert found.kv_bytes == on_cpu.kv_bytes
        device = found.devices[0]
        assert (device.weights_bytes, device.kv_bytes, device.compute_bytes) == (3_573_568, 2_293_760, 9_066_560)
        assert device.output_bytes == pytest.approx(1280 * 4, abs=10_486)  # the log has two digits of a MiB
    else:
        assert found.kv_bytes == pytest.approx(on_cpu.kv_bytes, abs=2 * 10_486)


def test_settings_of_the_context_are_the_engine_s() -> None:
    base = LoadParameters(os.fsencode(DEMO), 4096, threads=1, gpu_layers=0)
    quantized = LoadParameters(os.fsencode(DEMO), 4096, threads=1, gpu_layers=0, kv_type=KvType.Q8_0)
    several = LoadParameters(os.fsencode(DEMO), 4096, threads=1, gpu_layers=0, sequences=8)
    found = [probe(run) for run in (base, quantized, several)]
    assert all(isinstance(answer, ProbedMemory) for answer in found)
    caches = [answer.kv_bytes for answer in found if isinstance(answer, ProbedMemory)]
    assert caches[1] == pytest.approx(caches[0] * 34 / 64, abs=2 * 10_486)
    assert caches[2] > caches[0]


def test_experts_on_the_cpu_and_repacking_are_understood(tmp_path: Path) -> None:
    path = gemma4_file(EXPERTS, "Q4_0").write(tmp_path / "experts.gguf")
    plain, moved = probe(dry_run(path)), probe(dry_run(path, cpu_expert_layers=4))
    assert plain == moved  # without a GPU the CPU has them anyway
    assert isinstance(probe(dry_run(path, repack=True)), ProbedMemory)


def test_what_cannot_be_loaded_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    foreign = foreign_file("no-such-architecture").write(tmp_path / "foreign.gguf")
    found = probe(dry_run(foreign))
    assert isinstance(found, ProbeFailure)
    assert "no-such-architecture" in found.reason
    assert isinstance(probe(dry_run(tmp_path / "missing.gguf")), ProbeFailure)


def test_a_crash_is_a_failure(tmp_path: Path) -> None:
    """Heads that cannot share keys evenly end the process with an assertion (ggml.c:5515)."""
    broken = gemma4_file(replace(SMALL, kv_heads=3, global_kv_heads=3))
    found = probe(dry_run(broken.write(tmp_path / "crash.gguf")))
    assert isinstance(found, ProbeFailure)
    assert found.reason.startswith("llama.cpp was ended by signal 6 (SIGABRT): GGML_ASSERT")


def test_a_probe_that_hangs_is_ended() -> None:
    found = probe(dry_run(Path(DEMO)), timeout_seconds=0.01)
    assert found == ProbeFailure("llama.cpp did not answer within 0.01 s", timed_out=True)
