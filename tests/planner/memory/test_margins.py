"""How much memory a plan leaves free, by the kind of device, and that no plan leaves less."""

import pytest
from msgspec.structs import replace

from g4run.errors import UsageError
from g4run.hardware.machine import Gpu, GpuKind, Machine
from g4run.hardware.memory import Memory
from g4run.models.names.types import Size
from g4run.planner.hypothetical_machine import idle_machine
from g4run.planner.memory.catalog_weights import loaded_shape
from g4run.planner.memory.margins import gpu_margin, main_memory_margin
from g4run.planner.placement import estimate_fit, plan_model
from g4run.planner.values import Fit, ModelShape, Placement, PlanRequest
from g4run.settings import Margin, parse_margin
from tests.planner.golden_table import CATALOG
from tests.planner.known_machines import known_machines, make_machine

MACHINES = dict(known_machines())
LAPTOP = make_machine(16, 4, 51)
GIB = 2**30


def card(name: str, gib: float, used_bytes: int = 0, kind: GpuKind = GpuKind.DISCRETE) -> Gpu:
    total = int(gib * GIB)
    return Gpu(name, kind, "CUDA", total, total - used_bytes, None, None)


@pytest.mark.parametrize(
    ("gpu", "megabytes"),
    [
        (card("NVIDIA GeForce RTX 4090", 24), 1288),  # 5 % for the display
        (card("NVIDIA GeForce RTX 4090", 24, used_bytes=800_000_000), 515),  # of which a desktop has taken 0.8 GB
        (card("NVIDIA GeForce RTX 3070", 8), 500),
        (card("NVIDIA GeForce RTX 3070", 8, used_bytes=300_000_000), 300),
        (card("NVIDIA A100-SXM4-40GB", 40), 858),
        (card("NVIDIA H100 80GB HBM3 MIG 3g.40gb", 40), 858),
        (card("AMD Instinct MI300X", 192), 4123),
        (card("Tesla T4", 16), 343),
        (card("NVIDIA RTX A4000", 16), 858),  # a workstation's card
        (card("Intel Arc A770 Graphics", 16), 858),
        (card("Intel Arc B580 Graphics", 12), 644),
        (card("NVIDIA T600", 4), 500),
        (card("Quadro P620", 2), 500),
        (card("NVIDIA L40S", 48), 1030),
        (card("Tesla P40", 24), 515),
        (card("AMD Radeon 780M", 14, kind=GpuKind.INTEGRATED), 300),  # main memory has the margin
    ],
)
def test_a_gpu_keeps_more_with_a_display(gpu: Gpu, megabytes: int) -> None:
    assert gpu_margin(gpu, LAPTOP, is_first=True) // 10**6 == megabytes


def test_only_the_first_gpu_has_a_display() -> None:
    assert gpu_margin(card("NVIDIA GeForce RTX 4090", 24), LAPTOP, is_first=False) // 10**6 == 515


@pytest.mark.parametrize(("gib", "megabytes"), [(2, 250), (8, 429), (16, 858), (32, 1717), (64, 2000), (512, 2000)])
def test_main_memory_keeps_a_twentieth_within_bounds(gib: int, megabytes: int) -> None:
    assert main_memory_margin(make_machine(gib, 4, 51)) // 10**6 == megabytes


@pytest.mark.parametrize("name", ["Apple M1, 8 GB", "Apple M2, 16 GB", "Strix Halo, 128 GB", "GB10, 128 GB"])
def test_shared_memory_keeps_4_gb_or_15_percent_for_the_system_in_all(name: str) -> None:
    machine = MACHINES[name]
    memory = machine.memory
    kept = memory.usable_bytes - memory.available_bytes + main_memory_margin(machine)
    assert kept >= max(4 * 10**9, int(0.15 * memory.usable_bytes))
    busy = replace(machine, memory=Memory(memory.total_bytes, memory.total_bytes // 4, None))
    assert main_memory_margin(busy) < 0.06 * memory.total_bytes, "what is in use counts towards it"


def test_a_setting_replaces_every_margin() -> None:
    machine = replace(MACHINES["Apple M1, 8 GB"], margin=Margin(share=0.1))
    assert main_memory_margin(machine) == machine.memory.usable_bytes // 10
    assert gpu_margin(machine.gpus[0], machine, is_first=True) == int(machine.gpus[0].total_bytes * 0.1)


@pytest.mark.parametrize(
    ("text", "margin"),
    [("1GB", Margin(10**9)), ("5%", Margin(share=0.05)), ("2.5 %", Margin(share=0.025)), ("0", Margin())],
)
def test_a_margin_is_a_size_or_a_percentage(text: str, margin: Margin) -> None:
    assert parse_margin("--margin", text) == margin


@pytest.mark.parametrize("text", ["much", "-1GB", "100%", "5 %%"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--margin must be an amount of memory or a percentage, not "):
        parse_margin("--margin", text)


@pytest.mark.parametrize("name", MACHINES)
def test_no_plan_that_fits_has_less_than_its_margin_free(name: str) -> None:
    """And what takes part of it is TIGHT, what cannot be loaded NO."""
    machine = MACHINES[name]
    for size in Size:
        for file in CATALOG.available(size)[::6]:
            shape = loaded_shape(file, CATALOG.facts(size))
            ledger = plan_model(shape, machine, PlanRequest()).ledger
            left = [device.free_bytes - device.total_bytes for device in ledger.devices]
            assert ledger.fits == all(
                device.margin_bytes <= free for device, free in zip(ledger.devices, left, strict=True)
            )
            assert ledger.can_load == (min(left) >= 0)
            assert all(device.margin_bytes >= 250_000_000 for device in ledger.devices)
            fit = estimate_fit(shape, machine)
            assert (fit is Fit.YES) == ledger.fits
            assert (fit is Fit.NO) == (not can_load(shape, idle_machine(machine)))


def can_load(shape: ModelShape, machine: Machine) -> bool:
    return plan_model(shape, machine, PlanRequest()).ledger.can_load


@pytest.mark.parametrize("name", ["Apple M1, 8 GB", "Apple M3, 24 GB", "laptop, Radeon 780M, 32 GB", "GB10, 128 GB"])
def test_shared_memory_is_never_split_unless_asked_for(name: str) -> None:
    machine = MACHINES[name]
    for size in Size:
        shape = loaded_shape(CATALOG.facts(size).default, CATALOG.facts(size))
        assert plan_model(shape, machine, PlanRequest()).placement in (Placement.GPU, Placement.CPU)
        assert plan_model(shape, machine, PlanRequest(gpu_layers=99)).placement is Placement.GPU
        assert plan_model(shape, machine, PlanRequest(gpu_layers=3)).placement is Placement.PARTIAL
