"""llama.cpp's figures replace the estimates."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.engine.probe.probe import DeviceMemory, ProbedMemory, ProbeFailure, probe
from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.planner.confirmed_ledger import DeviceDifference, confirmed_ledger, find_differences
from g4run.planner.placement import plan_model
from g4run.planner.values import Ledger, Placement, Plan, PlanRequest, PlanSettings
from g4run.runtime.loading import load_parameters
from tests.planner.machines import gpu, machine
from tests.planner.plans import estimate_ledger
from tests.planner.shapes import real_shape, write_sparse

HERE = machine(32)
SETTINGS = PlanSettings(0, 0, KvType.F16, 8192, 512, 512, 1, 8, lazy_table=False, repack=False)


def plan_of(size: str, here: Machine, settings: PlanSettings) -> Plan:
    shape = replace(real_shape(size), projector_bytes=1000, drafter_bytes=2000)
    return Plan(shape, Placement.CPU, settings, estimate_ledger(shape, settings, here), {})


def probed(*devices: DeviceMemory, kv_bytes: int = 0, is_exact: bool = True) -> ProbedMemory:
    return ProbedMemory(devices, kv_bytes, is_exact)


def test_cpu_buffer_types_are_one_device_and_margins_stay() -> None:
    plan = plan_of("12b", machine(32), replace(SETTINGS, repack=True))
    answer = probed(
        DeviceMemory("CPU", plan.shape.embedding_bytes + 100, 20, 3, 1),
        DeviceMemory("CPU_REPACK", 1000, 0, 0, 0),
        DeviceMemory("AMX", 5000, 0, 0, 0),
    )
    (ours,) = plan.ledger.devices
    assert confirmed_ledger(plan, HERE, answer) == Ledger(
        (replace(ours, weights_bytes=6100, kv_bytes=20, compute_bytes=3, output_bytes=1),)
    )
    assert ours.projector_bytes > 1000 < ours.drafter_bytes < ours.overhead_bytes


@pytest.mark.parametrize(
    ("lazy", "repack", "taken_off"),
    [(False, False, "head"), (True, False, "head and table"), (False, True, "head"), (True, True, "head and table")],
)
def test_mapped_weights_count_once_and_a_lazy_table_not_at_all(lazy: bool, repack: bool, taken_off: str) -> None:
    plan = plan_of("e2b", machine(32), replace(SETTINGS, lazy_table=lazy, repack=repack))
    less = plan.shape.embedding_bytes * ("head" in taken_off) + plan.shape.table_bytes * ("table" in taken_off)
    (found,) = confirmed_ledger(plan, HERE, probed(DeviceMemory("CPU", 9_000_000_000, 1, 1, 1))).devices
    assert found.weights_bytes == 9_000_000_000 - less


def test_an_untied_head_is_not_a_second_copy() -> None:
    plan = plan_of("12b", machine(32), SETTINGS)
    plan = replace(plan, shape=replace(plan.shape, has_tied_head=False))
    (found,) = confirmed_ledger(plan, HERE, probed(DeviceMemory("CPU", 7_000_000_000, 1, 1, 1))).devices
    assert found.weights_bytes == 7_000_000_000


def test_a_gpus_host_buffer_is_in_main_memory() -> None:
    plan = plan_of("12b", machine(32, gpu(16)), replace(SETTINGS, gpu_layers=49))
    answer = probed(
        DeviceMemory("CUDA0", 500, 60, 70, 0),
        DeviceMemory("CUDA_Host", 0, 0, 8, 4),
        DeviceMemory("CPU", 90, 0, 0, 0),
    )
    device, host = plan.ledger.devices
    assert confirmed_ledger(plan, HERE, answer) == Ledger(
        (
            replace(device, weights_bytes=500, kv_bytes=60, compute_bytes=70, output_bytes=0),
            replace(host, weights_bytes=90, kv_bytes=0, compute_bytes=8, output_bytes=4),
        )
    )


def test_gpus_are_matched_by_order_and_empty_ones_left_out() -> None:
    here = machine(32, gpu(12, name="RTX 3090"), gpu(12, name="RTX 3090"))
    plan = plan_of("12b", here, replace(SETTINGS, gpu_layers=49))
    answer = probed(
        DeviceMemory("CUDA0", 1, 2, 3, 0),
        DeviceMemory("Vulkan0", 0, 0, 0, 0),
        DeviceMemory("CUDA1", 4, 5, 6, 0),
        DeviceMemory("CPU", 7, 0, 8, 9),
    )
    found = confirmed_ledger(plan, HERE, answer).devices
    assert [(one.name, one.weights_bytes, one.kv_bytes, one.compute_bytes, one.output_bytes) for one in found] == [
        ("RTX 3090 #1", 1, 2, 3, 0),
        ("RTX 3090 #2", 4, 5, 6, 0),
        ("CPU", 7, 0, 8, 9),
    ]


def test_gpus_that_do_not_match_keep_their_estimates() -> None:
    plan = plan_of("12b", machine(32, gpu(16)), replace(SETTINGS, gpu_layers=49))
    answer = probed(
        DeviceMemory("CUDA0", 1, 2, 3, 0), DeviceMemory("CUDA1", 4, 5, 6, 0), DeviceMemory("CPU", 7, 0, 8, 9)
    )
    assert confirmed_ledger(plan, HERE, answer).devices[0] == plan.ledger.devices[0]


def test_estimates_stay_for_figures_missing_in_the_log() -> None:
    alone = plan_of("12b", machine(32), SETTINGS)
    answer = probed(DeviceMemory("CPU", None, None, 3, 1), kv_bytes=20, is_exact=False)
    (ours,) = alone.ledger.devices
    assert confirmed_ledger(alone, HERE, answer).devices == (
        replace(ours, kv_bytes=20, compute_bytes=3, output_bytes=1),
    )
    beside = plan_of("12b", machine(32, gpu(16)), replace(SETTINGS, gpu_layers=20))
    logged = probed(
        DeviceMemory("Metal", None, None, 7, 0), DeviceMemory("CPU", None, None, 3, 1), kv_bytes=20, is_exact=False
    )
    device, host = beside.ledger.devices
    assert confirmed_ledger(beside, HERE, logged).devices == (
        replace(device, compute_bytes=7),
        replace(host, compute_bytes=3, output_bytes=1),
    )


def test_devices_with_different_totals_are_named() -> None:
    ledger = plan_of("12b", machine(32, gpu(16)), replace(SETTINGS, gpu_layers=20)).ledger
    device, host = ledger.devices
    other = Ledger(
        (
            replace(device, kv_bytes=device.kv_bytes + 5, compute_bytes=device.compute_bytes - 2),
            replace(host, output_bytes=host.output_bytes - 3),
        )
    )
    assert find_differences(ledger, ledger) == ()
    assert find_differences(ledger, other) == (DeviceDifference("GPU", 3), DeviceDifference("CPU", -3))
    assert find_differences(ledger, Ledger((device, other.devices[1]))) == (DeviceDifference("CPU", -3),)


@pytest.mark.parametrize("quantization", ["Q4_0", "Q8_0"])
def test_llama_cpp_itself_confirms_a_plan_to_the_byte(quantization: str, tmp_path: Path) -> None:
    """Repacked and mapped, with the table in memory and without it."""
    path = write_sparse("e2b", quantization, tmp_path / "e2b.gguf")
    here = machine(32)
    for ram in (32, 4):
        plan = plan_model(real_shape("e2b", quantization), machine(ram), PlanRequest())
        answer = probe(load_parameters(os.fsencode(path), plan.settings, here))
        assert not isinstance(answer, ProbeFailure), answer.reason
        if not answer.is_exact:
            pytest.skip("only Linux on x86-64 can be asked to the byte")
        assert confirmed_ledger(plan, HERE, answer) == plan.ledger
