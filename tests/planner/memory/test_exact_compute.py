"""Compute buffers as llama.cpp reports them over RPC servers, to the byte; scripts.device_proof has them all."""

import pytest
from msgspec.structs import replace

from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.planner.memory.exact_compute import with_exact_compute
from g4run.planner.placement import plan_model, plan_with_drafter
from g4run.planner.values import PlanRequest
from tests.planner.machines import gpu, machine
from tests.planner.shapes import real_shape

# Size, servers, what was asked for, and the bytes on each server and on the CPU: llama.cpp 0c1e57098, Q4_K_M.
REPORTED = [
    ("e2b", 1, PlanRequest(4096, KvType("f16"), 1, 512, 36, None), (124274752, 29907008)),
    ("e2b", 1, PlanRequest(32768, KvType("q8_0"), 4, 2048, 23, None), (559259712, 483778624)),
    ("e4b", 1, PlanRequest(32768, KvType("q8_0"), 4, 2048, 28, None), (536191040, 622190656)),
    ("e4b", 2, PlanRequest(4096, KvType("f16"), 1, 512, 43, None), (236003328, 182526208, 69296384)),
    ("12b", 2, PlanRequest(4096, KvType("f16"), 1, 512, 48, None), (132663296, 115886144, 132141120)),
    ("26b", 1, PlanRequest(4096, KvType("f16"), 1, 512, 20, None), (98357312, 106451008)),
    ("26b", 1, PlanRequest(32768, KvType("q8_0"), 4, 2048, 31, 10), (608493568, 506839104)),
    ("26b", 2, PlanRequest(8192, KvType("f16"), 1, 512, 15, 18), (110635008, 108021824, 110645312)),
    ("31b", 1, PlanRequest(32768, KvType("q8_0"), 4, 2048, 61, None), (911581248, 248889408)),
    ("31b", 1, PlanRequest(4096, KvType("f16"), 1, 512, 1, None), (20640832, 187715648)),
    ("31b", 2, PlanRequest(8192, KvType("f16"), 1, 512, 61, None), (254877696, 298918144, 94978304)),
]


def on_servers(count: int) -> Machine:
    servers = tuple(gpu(100, "RPC", name=f"10.0.0.{number}:50052") for number in range(count))
    return replace(machine(200, *servers), margin=None)


@pytest.mark.parametrize(("size", "count", "request_", "reported"), REPORTED)
def test_each_device_needs_what_llama_cpp_reports(
    size: str, count: int, request_: PlanRequest, reported: tuple[int, ...]
) -> None:
    plan = plan_with_drafter(real_shape(size, "Q4_K_M"), 0, on_servers(count), request_)
    assert tuple(device.compute_bytes for device in plan.ledger.devices) == reported


@pytest.mark.parametrize(("size", "count", "request_", "reported"), REPORTED)
def test_the_bound_of_a_search_is_never_less(
    size: str, count: int, request_: PlanRequest, reported: tuple[int, ...]
) -> None:
    devices = plan_model(real_shape(size, "Q4_K_M"), on_servers(count), request_).ledger.devices
    assert all(device.compute_bytes >= size_bytes for device, size_bytes in zip(devices, reported, strict=True))


def test_only_the_cpu_is_exact_beside_other_gpus() -> None:
    """12B with 32 of 49 layers on Vulkan's software device: 22,040,640 bytes in main memory."""
    shape, here = real_shape("12b", "Q4_K_M"), machine(64, gpu(24))
    plan = plan_model(shape, here, PlanRequest(4096, KvType.F16, gpu_layers=32))
    device, host = with_exact_compute(plan.ledger, shape, plan.settings, here).devices
    assert (device, host.compute_bytes) == (plan.ledger.devices[0], 22_040_640)


def test_a_plan_without_a_gpu_keeps_its_figures() -> None:
    shape = real_shape("e2b")
    plan = plan_model(shape, machine(16), PlanRequest(4096))
    assert with_exact_compute(plan.ledger, shape, plan.settings, machine(16)) is plan.ledger
