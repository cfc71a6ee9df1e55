"""Placements and settings on many kinds of machines."""

from itertools import product

import pytest
from msgspec.structs import replace

from g4run.hardware.machine import GpuKind, Machine
from g4run.kv_types import KvType
from g4run.planner.placement import IMAGE_MICRO_BATCH, missing_bytes, plan_model
from g4run.planner.values import Placement, Plan, PlanRequest, PlanSettings
from scripts.shapes.sizes import SHAPES
from tests.planner.machines import gpu, machine
from tests.planner.plans import estimate_ledger, plans_for
from tests.planner.shapes import real_shape

ANYTHING = PlanRequest()
MACHINES = {
    "small": machine(4),
    "laptop": machine(8, cores=4),
    "desktop": machine(32),
    "8 GB card": machine(32, gpu(8)),
    "24 GB card": machine(64, gpu(23.5)),
    "two cards": machine(64, gpu(12), gpu(7, name="second")),
    "Apple 16 GB": machine(14, gpu(10.7, "Metal", GpuKind.UNIFIED)),
    "unusable card": machine(32, gpu(24, None)),
}


def chosen(plan: Plan) -> tuple[Placement, bool, KvType, int]:
    return plan.placement, plan.ledger.fits, plan.settings.kv_type, plan.settings.context


@pytest.mark.parametrize(
    ("size", "machine_name", "expected"),
    [
        ("e2b", "small", (Placement.CPU, True, KvType.F16, 8192)),
        ("26b", "desktop", (Placement.CPU, True, KvType.F16, 8192)),
        ("26b", "unusable card", (Placement.CPU, True, KvType.F16, 8192)),
        ("26b", "8 GB card", (Placement.EXPERTS_ON_CPU, True, KvType.F16, 8192)),
        ("26b", "24 GB card", (Placement.GPU, True, KvType.F16, 8192)),
        ("31b", "8 GB card", (Placement.PARTIAL, True, KvType.F16, 8192)),
        ("31b", "24 GB card", (Placement.GPU, True, KvType.F16, 8192)),
        ("12b", "two cards", (Placement.GPU, True, KvType.F16, 8192)),
        ("12b", "Apple 16 GB", (Placement.GPU, True, KvType.F16, 8192)),
        ("31b", "laptop", (Placement.CPU, False, KvType.F16, 8192)),
    ],
)
def test_the_fastest_placement_that_fits(
    size: str, machine_name: str, expected: tuple[Placement, bool, KvType, int]
) -> None:
    assert chosen(plan_model(real_shape(size), MACHINES[machine_name], ANYTHING)) == expected


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("name", MACHINES)
def test_the_longest_context_fits_and_a_longer_one_does_not(size: str, name: str) -> None:
    shape, here = real_shape(size), MACHINES[name]
    for plan, kv_type in product(plans_for(shape, here, ANYTHING), KvType):
        longest = plan.max_context[kv_type]
        if longest:
            assert fits(plan, here, kv_type, longest)
        if longest < shape.architecture.context_length:
            assert not fits(plan, here, kv_type, longest + 256)


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("name", MACHINES)
def test_a_plan_that_fits_has_at_least_its_own_context(size: str, name: str) -> None:
    """Also with a context that is not a multiple of the cache's padding, and with much on the CPU."""
    requests = (ANYTHING, PlanRequest(context=1000), PlanRequest(context=40_000, sequences=4, kv_type=KvType.Q8_0))
    for quantization, request in product(("Q4_0", "Q8_0"), requests):
        for plan in plans_for(real_shape(size, quantization), MACHINES[name], request):
            longest = plan.max_context[plan.settings.kv_type]
            assert longest >= plan.settings.context or not plan.ledger.fits


def test_few_experts_in_scarce_main_memory_leave_room_for_a_long_context() -> None:
    """With all experts on the CPU nothing would fit; with the fewest, everything does."""
    shape, here = real_shape("26b", "Q8_0"), machine(20, gpu(16))
    plan = plan_model(shape, here, ANYTHING)
    assert chosen(plan) == (Placement.EXPERTS_ON_CPU, True, KvType.F16, 8192)
    assert not estimate_ledger(shape, replace(plan.settings, cpu_expert_layers=30), here).fits
    assert plan.max_context[KvType.F16] > 8192


def fits(plan: Plan, here: Machine, kv_type: KvType, context: int) -> bool:
    request = PlanRequest(context=context, kv_type=kv_type)
    again = {other.placement: other for other in plans_for(plan.shape, here, request)}
    return again[plan.placement].ledger.fits


@pytest.mark.parametrize("name", MACHINES)
def test_the_longest_context_really_fits(name: str) -> None:
    for size, quantization in product(SHAPES, ("Q4_0", "Q8_0")):
        here = MACHINES[name]
        for plan in plans_for(real_shape(size, quantization), here, ANYTHING):
            assert plan.ledger == estimate_ledger(plan.shape, plan.settings, here)
            in_main_memory = [device for device in plan.ledger.devices if device.kind == "cpu"]
            assert in_main_memory[0].free_bytes <= here.memory.available_bytes
            assert plan.ledger.fits == (missing_bytes(plan.ledger) == 0)


def test_as_few_experts_as_possible_leave_the_gpu() -> None:
    shape, here = real_shape("26b"), MACHINES["8 GB card"]
    plan = plan_model(shape, here, ANYTHING)
    fewer = replace(plan.settings, cpu_expert_layers=plan.settings.cpu_expert_layers - 1)
    assert (plan.settings.gpu_layers, plan.ledger.fits) == (31, True)
    assert not estimate_ledger(shape, fewer, here).fits


def test_as_many_layers_as_possible_are_on_the_gpu() -> None:
    shape, here = real_shape("31b"), MACHINES["8 GB card"]
    plan = plan_model(shape, here, ANYTHING)
    more = replace(plan.settings, gpu_layers=plan.settings.gpu_layers + 1)
    assert not estimate_ledger(shape, more, here).fits


def test_a_shorter_context_and_a_quantized_cache_fit_in_less_memory() -> None:
    """With less memory, the context shrinks to 4096, then the KV cache type changes, then the context shrinks again."""
    shape = real_shape("31b")
    found = []
    for ram in (20.5, 20.2, 20.0, 19.5, 19.0, 18.8, 18.6):
        found.append(chosen(plan_model(shape, machine(ram), ANYTHING)))
    assert found == [
        (Placement.CPU, True, KvType.F16, 8192),
        (Placement.CPU, True, KvType.F16, 6144),
        (Placement.CPU, True, KvType.F16, 4096),
        (Placement.CPU, True, KvType.Q8_0, 8192),
        (Placement.CPU, True, KvType.Q4_0, 8192),
        (Placement.CPU, True, KvType.Q4_0, 4096),
        (Placement.CPU, True, KvType.Q4_0, 1024),
    ]


def test_an_f16_cache_on_the_cpu_is_preferred_to_a_quantized_one_on_the_gpu() -> None:
    shape = real_shape("12b")
    needed = {plan.placement: plan for plan in plans_for(shape, machine(64, gpu(24)), ANYTHING)}[Placement.GPU]
    tight = needed.ledger.devices[0].total_bytes / 1e9 - 0.5
    plan = plan_model(shape, machine(64, gpu(tight)), ANYTHING)
    assert (plan.placement, plan.settings.kv_type) == (Placement.PARTIAL, KvType.F16)


def test_lazy_tables_and_repacking_depend_on_memory() -> None:
    """E4B Q4_0 has 4.8 GB, of which 1.6 GB are the table."""
    ways = {ram: plan_model(real_shape("e4b"), machine(ram), ANYTHING).settings for ram in (16, 5.5, 4)}
    assert {ram: (settings.repack, settings.lazy_table) for ram, settings in ways.items()} == {
        16: (True, False),
        5.5: (True, True),
        4: (True, True),
    }


def test_a_cpu_plan_repacks_even_with_a_gpu_in_the_machine() -> None:
    plans = plans_for(real_shape("26b"), machine(128, gpu(8)), ANYTHING)
    assert {plan.placement: plan.settings.repack for plan in plans} == {
        Placement.GPU: False,
        Placement.EXPERTS_ON_CPU: False,
        Placement.PARTIAL: False,
        Placement.CPU: True,
    }


def test_nothing_is_repacked_without_memory_for_it() -> None:
    usual, without = (plan_model(real_shape("e2b"), machine(64), PlanRequest(may_repack=may)) for may in (True, False))
    assert (usual.settings.repack, without.settings) == (True, replace(usual.settings, repack=False))


def test_weights_that_cannot_be_repacked_stay_mapped() -> None:
    repacks = {
        quantization: plan_model(real_shape("e2b", quantization), machine(64), ANYTHING).settings.repack
        for quantization in ("Q4_0", "Q4_K_M", "Q8_0", "BF16")
    }
    assert repacks == {"Q4_0": True, "Q4_K_M": True, "Q8_0": False, "BF16": False}


def test_requested_settings_stay() -> None:
    request = PlanRequest(
        context=20_000, kv_type=KvType.Q8_0, sequences=3, micro_batch=1024, gpu_layers=12, cpu_expert_layers=4
    )
    plan = plan_model(real_shape("26b"), machine(64, gpu(8), cores=6), request)
    assert (plan.placement, plan.settings) == (
        Placement.PARTIAL,
        PlanSettings(12, 4, KvType.Q8_0, 20_000, 1024, 1024, 3, 6, lazy_table=False, repack=False),
    )


@pytest.mark.parametrize(
    ("gpu_layers", "cpu_experts", "placements"),
    [
        (None, None, (Placement.GPU, Placement.EXPERTS_ON_CPU, Placement.PARTIAL, Placement.CPU)),
        (0, None, (Placement.CPU,)),
        (99, None, (Placement.GPU, Placement.EXPERTS_ON_CPU)),
        (99, 0, (Placement.GPU,)),
        (None, 5, (Placement.EXPERTS_ON_CPU,)),
        (30, None, (Placement.PARTIAL,)),
    ],
)
def test_requested_settings_decide_the_placement(
    gpu_layers: int | None, cpu_experts: int | None, placements: tuple[Placement, ...]
) -> None:
    request = PlanRequest(gpu_layers=gpu_layers, cpu_expert_layers=cpu_experts)
    plans = plans_for(real_shape("26b"), machine(64, gpu(24)), request)
    assert tuple(plan.placement for plan in plans) == placements


@pytest.mark.parametrize(("gpu_layers", "placement"), [(99, Placement.EXPERTS_ON_CPU), (9, Placement.PARTIAL)])
def test_more_experts_than_there_are_mean_all(gpu_layers: int, placement: Placement) -> None:
    plan = plan_model(real_shape("26b"), machine(64, gpu(24)), PlanRequest(gpu_layers=gpu_layers, cpu_expert_layers=99))
    assert (plan.placement, plan.settings.cpu_expert_layers) == (placement, 30)


def test_large_sizes_process_an_image_in_one_micro_batch() -> None:
    large, small = (replace(real_shape(size), projector_bytes=10**9) for size in ("12b", "e4b"))
    here = machine(64)
    assert plan_model(large, here, ANYTHING).settings.micro_batch == IMAGE_MICRO_BATCH
    assert plan_model(small, here, ANYTHING).settings.micro_batch == 512
    assert plan_model(real_shape("12b"), here, PlanRequest(context=300)).settings.micro_batch == 300


def test_a_context_beyond_the_trained_one_is_capped() -> None:
    plan = plan_model(real_shape("e2b"), machine(64), PlanRequest(context=1_000_000))
    assert (plan.settings.context, plan.max_context[KvType.F16]) == (131_072, 131_072)


def test_if_nothing_fits_the_closest_plan_is_returned() -> None:
    plan = plan_model(real_shape("31b", "BF16"), machine(8, gpu(4)), ANYTHING)
    assert not plan.ledger.fits
    assert dict(plan.max_context) == dict.fromkeys(KvType, 0)
