"""Speeds of whole plans."""

import pytest
from msgspec.structs import replace

from g4run.hardware.machine import FigureSource, Gpu, GpuKind, Machine
from g4run.kv_types import KvType
from g4run.planner.speed.measured import MeasuredSpeed, machine_id_of, model_digest_of, settings_key_of
from g4run.planner.speed.speed import estimate_speed
from g4run.planner.values import DeviceLedger, Ledger, Plan, SpeedRange, SpeedSource
from tests.planner.shapes import real_shape
from tests.planner.speed.speed_machines import make_gpu, make_machine, make_plan
from tests.planner.speed.speed_rows import model_shape

DENSE, MIXTURE = model_shape("12B", 4.7), model_shape("26B", 4.9)
GPU_MACHINE = make_machine(make_gpu())


def generation(plan: Plan, machine: Machine = GPU_MACHINE, position: int = 0) -> float:
    return estimate_speed(plan, machine, position=position).generation.expected


def prompt(plan: Plan, machine: Machine = GPU_MACHINE, position: int = 0) -> float:
    return estimate_speed(plan, machine, position=position).prompt.expected


def figures(speed: SpeedRange) -> tuple[float, float, float]:
    return speed.low, speed.expected, speed.high


def device_ledger(name: str, kind: str, weights: int) -> DeviceLedger:
    return DeviceLedger(name, kind, weights, 0, 0, 0, 0, 0, 0, 0)


def test_a_whole_speed() -> None:
    speed = estimate_speed(make_plan(DENSE, gpu_layers=49), GPU_MACHINE)
    reading, multiplying = 11.9066e9 * 4.7 / 8 / (0.852 * 936e9), 2 * 11.9066e9 / (0.0752 * 35.5e12)
    expected = 1 / (max(reading, multiplying) + 49 * 0.0400e-3 + 0.565e-3)
    assert figures(speed.generation) == pytest.approx((expected * 0.82, expected, expected * 1.23), rel=1e-3)
    assert (speed.prompt.low, speed.prompt.high) == (speed.prompt.expected * 0.6, speed.prompt.expected * 1.5)
    assert speed.source is SpeedSource.CALIBRATED


def test_each_layer_moved_off_the_gpu_costs_speed() -> None:
    speeds = [generation(make_plan(DENSE, gpu_layers=count)) for count in (49, 40, 20, 1, 0)]
    assert speeds == sorted(speeds, reverse=True)
    assert len(set(speeds)) == 5
    prompts = [prompt(make_plan(DENSE, gpu_layers=count)) for count in (49, 40, 20)]
    assert prompts == sorted(prompts, reverse=True)


def test_experts_on_the_cpu_are_faster_than_whole_layers_there() -> None:
    on_gpu, experts = generation(make_plan(MIXTURE, gpu_layers=31)), make_plan(MIXTURE, gpu_layers=31, expert_layers=20)
    assert on_gpu > generation(experts) > generation(make_plan(MIXTURE, gpu_layers=11))


def test_a_longer_context_and_a_larger_cache_cost_speed() -> None:
    plan = make_plan(DENSE, gpu_layers=49)
    assert generation(plan) > generation(plan, position=8_000) > generation(plan, position=64_000)
    assert prompt(plan) > prompt(plan, position=64_000)


@pytest.mark.parametrize(
    ("backend", "is_faster"), [("CUDA", False), ("ROCm", False), ("Vulkan", True), ("Metal", True)]
)
def test_a_quantized_cache_saves_time_unless_it_is_converted_first(backend: str, *, is_faster: bool) -> None:
    machine = make_machine(make_gpu(backend=backend))
    smaller, plan = (make_plan(DENSE, gpu_layers=49, kv_type=kind) for kind in (KvType.Q8_0, KvType.F16))
    assert (generation(smaller, machine, 64_000) > generation(plan, machine, 64_000)) is is_faster


def test_a_card_with_little_arithmetic_does_not_use_its_bandwidth() -> None:
    """An MI50 ran 31B Q4_0 at 22.66 tokens/s, 39 % of its 1,024 GB/s; a T4000 is a Jetson Thor with fewer units."""
    plan = make_plan(model_shape("31B", 4.595, "Q4_0"), gpu_layers=61)
    mi50 = make_machine(make_gpu("AMD Instinct MI50", 1024e9, 26.5e12, gibibytes=32, backend="ROCm"))
    assert generation(plan, mi50) == pytest.approx(22.66, rel=0.15)
    thor, small = (
        make_machine(make_gpu(name, 273e9, flops, GpuKind.UNIFIED))
        for name, flops in (("Jetson AGX Thor", 258e12), ("Jetson T4000", 149e12))
    )
    assert generation(plan, small) < 0.75 * generation(plan, thor)


def test_k_quants_cost_arithmetic() -> None:
    shapes = (model_shape("12B", 4.7, kind) for kind in ("Q4_0", "Q4_K"))
    machine = make_machine(make_gpu("Apple M1 Max", 400e9, 10.4e12, GpuKind.UNIFIED, backend="Metal"))
    plain, k_quant = (generation(make_plan(shape, gpu_layers=49), machine) for shape in shapes)
    assert plain > 1.05 * k_quant


@pytest.mark.parametrize(
    ("sets", "expected"), [(("neon",), 1.68), (("neon", "dotprod"), 4.5), ((), 4.5)], ids=["Pi 4", "dotprod", "unknown"]
)
def test_arm_cores_without_dot_products_are_bound_by_arithmetic(sets: tuple[str, ...], expected: float) -> None:
    """A Raspberry Pi 4 ran E2B Q4_K_M at 1.68 tokens/s; its bandwidth alone would allow 5."""
    machine = make_machine(bandwidth=12.8e9, cores=4, architecture="aarch64", instruction_sets=sets)
    plan = make_plan(model_shape("E2B", 4.75, "Q4_K"), threads=4)
    assert generation(plan, machine) == pytest.approx(expected, rel=0.25)


def test_weights_that_are_not_quantized_cost_processors_arithmetic() -> None:
    machine = make_machine(bandwidth=12.8e9, cores=4, architecture="aarch64", instruction_sets=("neon",))
    shapes = (model_shape("E2B", 8, kind) for kind in ("Q8_0", "BF16"))
    quantized, floats = (generation(make_plan(shape, threads=4), machine) for shape in shapes)
    assert quantized == pytest.approx(2.4 * floats, rel=0.02)


def test_attention_costs_processors_arithmetic() -> None:
    """An i7-10750H went from 20.48 tokens/s to 17.29 at 4,096 tokens, far more than reading 60 MB takes."""
    machine, plan = make_machine(bandwidth=45.8e9, cores=6), make_plan(model_shape("E2B", 4.865), threads=6)
    assert generation(plan, machine, 4224) / generation(plan, machine, 128) == pytest.approx(17.29 / 20.48, rel=0.05)


def test_a_larger_micro_batch_copies_host_weights_less_often() -> None:
    plans = [make_plan(MIXTURE, gpu_layers=31, expert_layers=30, micro_batch=count) for count in (128, 512)]
    assert prompt(plans[1]) > 3 * prompt(plans[0])


def test_threads_and_memory_limit_the_processors() -> None:
    machine = make_machine(bandwidth=200e9, cores=64)
    speeds = [generation(make_plan(DENSE, threads=count), machine) for count in (1, 2, 4, 16, 32)]
    assert speeds[0] < speeds[1] < speeds[2] < speeds[3] < speeds[4] * 1.001
    assert generation(make_plan(DENSE, threads=64), machine) == speeds[4]
    assert prompt(make_plan(DENSE, threads=16), machine) == pytest.approx(
        4 * prompt(make_plan(DENSE, threads=4), machine)
    )


@pytest.mark.parametrize(
    ("bandwidth", "size", "quantization", "measured"),
    [
        (27.5e9, "26b", "Q4_0", 3.05),
        (27.5e9, "e2b", "Q4_0", 5.3),
        (27.5e9, "e2b", "Q4_K_M", 8.0),
        (36.9e9, "e2b", "Q4_0", 19.5),
        (36.9e9, "e2b", "Q4_K_M", 17.6),
        (36.9e9, "e2b", "Q8_0", 10.4),
    ],
)
def test_the_range_of_virtual_processors_holds_what_two_machines_measured(
    bandwidth: float, size: str, quantization: str, measured: float
) -> None:
    """Two virtual processors each, at a measured 22 GB/s (Xeon, Sapphire Rapids) and 29.5 GB/s (EPYC)."""
    real = make_machine(bandwidth=bandwidth, cores=2, instruction_sets=("avx2", "avx512_vnni"))
    virtual = replace(real, processors=replace(real.processors, are_virtual=True))
    wsl = replace(virtual, platform=replace(virtual.platform, is_wsl=True))
    plan = make_plan(real_shape(size, quantization), threads=2)
    assert generation(plan, wsl) == generation(plan, real) >= generation(plan, virtual)
    speed = estimate_speed(plan, virtual).generation
    assert speed.low < measured < speed.high


def test_more_threads_than_the_container_has_change_nothing() -> None:
    machine = make_machine(cores=2)
    assert estimate_speed(make_plan(DENSE, threads=16), machine) == estimate_speed(make_plan(DENSE, threads=2), machine)


def test_a_measured_bandwidth_is_less_than_a_nominal_one() -> None:
    measured = make_machine(bandwidth=40e9, source=FigureSource.MEASURED)
    nominal = make_machine(bandwidth=50e9)
    assert generation(make_plan(DENSE), measured) == pytest.approx(generation(make_plan(DENSE), nominal), rel=1e-3)


@pytest.mark.parametrize(
    "machine",
    [
        make_machine(make_gpu(bandwidth=None)),
        make_machine(make_gpu("Intel(R) Arc(TM) B580 Graphics", 456e9, None)),
        make_machine(make_gpu("Radeon 780M", None, None, GpuKind.INTEGRATED), source=FigureSource.ASSUMED),
        make_machine(source=FigureSource.ASSUMED),
    ],
    ids=["bandwidth unknown", "class unknown", "shared memory assumed", "memory assumed"],
)
def test_guessed_devices_give_an_estimated_speed_with_a_wide_range(machine: Machine) -> None:
    speed = estimate_speed(make_plan(DENSE, gpu_layers=49), machine)
    assert speed.source is SpeedSource.ESTIMATED
    for figure in (speed.generation, speed.prompt):
        assert figure == SpeedRange(0.4 * figure.expected, figure.expected, 1.6 * figure.expected)


def test_assumed_memory_does_not_affect_a_gpu_plan() -> None:
    machine = make_machine(make_gpu(), source=FigureSource.ASSUMED)
    assert estimate_speed(make_plan(DENSE, gpu_layers=49), machine).source is SpeedSource.CALIBRATED
    assert estimate_speed(make_plan(DENSE, gpu_layers=40), machine).source is SpeedSource.ESTIMATED


def test_the_range_is_that_of_the_least_known_device() -> None:
    speed = estimate_speed(make_plan(DENSE, gpu_layers=40), GPU_MACHINE).generation
    assert figures(speed) == pytest.approx((0.7 * speed.expected, speed.expected, 1.23 * speed.expected))


def test_a_gpu_without_a_backend_is_ignored() -> None:
    unusable = make_machine(replace(make_gpu(), backend=None))
    assert estimate_speed(make_plan(DENSE, gpu_layers=49), unusable) == estimate_speed(make_plan(DENSE), make_machine())


def test_an_integrated_gpu_next_to_a_card_is_ignored() -> None:
    """llama.cpp ignores it, and so does the ledger, whose weights tell how layers are split."""
    inside = make_gpu("AMD Radeon 780M", 89.6e9, 16.6e12, GpuKind.INTEGRATED)
    ledger = Ledger((device_ledger("CUDA0", "gpu", 1),))
    plan = replace(make_plan(DENSE, gpu_layers=49), ledger=ledger)
    for machine in (make_machine(make_gpu(), inside), make_machine(inside, make_gpu())):
        assert estimate_speed(plan, machine) == estimate_speed(plan, GPU_MACHINE)


def test_a_shared_memory_gpu_reads_as_fast_as_main_memory() -> None:
    shared = make_gpu("AMD Radeon 780M", None, 16.6e12, GpuKind.INTEGRATED)
    known = replace(shared, bandwidth=make_gpu(bandwidth=89.6e9).bandwidth)
    plan = make_plan(DENSE, gpu_layers=49)
    assert estimate_speed(plan, make_machine(shared)) == estimate_speed(plan, make_machine(known))


def test_a_gpu_with_unknown_flops_gets_those_of_its_class() -> None:
    plan = make_plan(DENSE, gpu_layers=49)
    known, unknown = (make_machine(make_gpu("GeForce RTX 3090", 936e9, flops)) for flops in (936e9 * 75, None))
    assert prompt(plan, unknown) == prompt(plan, known)


@pytest.mark.parametrize(
    ("weights", "share"),
    [((1, 1), 0.5), ((3, 1), 0.75), ((1, 0), 1.0), ((), 0.5)],
    ids=["even", "3:1", "one", "unsaid"],
)
def test_different_gpus_work_one_after_the_other(weights: tuple[int, ...], share: float) -> None:
    fast, slow = make_gpu(), make_gpu("NVIDIA GeForce RTX 3060", 360e9, 25.5e12, gibibytes=12)
    ledger = Ledger(tuple(device_ledger(f"CUDA{index}", "gpu", weight) for index, weight in enumerate(weights)))
    plan = replace(make_plan(DENSE, gpu_layers=49), ledger=ledger)
    alone = [1 / generation(plan_alone, make_machine(gpu)) for gpu in (fast, slow) for plan_alone in [_plain(plan)]]
    expected = 1 / (share * alone[0] + (1 - share) * alone[1])
    assert generation(plan, make_machine(fast, slow)) == pytest.approx(expected)


def _plain(plan: Plan) -> Plan:
    return replace(plan, ledger=Ledger(()))


def measured(machine: Machine, plan: Plan, speed: float, at: float = 1.0) -> MeasuredSpeed:
    key = settings_key_of(plan.settings)
    return MeasuredSpeed(machine_id_of(machine), model_digest_of(plan.shape), key, speed, 500.0, at)


def test_the_latest_measurement_replaces_the_estimate() -> None:
    plan = make_plan(DENSE, gpu_layers=49)
    known = (measured(GPU_MACHINE, plan, 30.0, 2.0), measured(GPU_MACHINE, plan, 20.0, 1.0))
    speed = estimate_speed(plan, GPU_MACHINE, measured=known)
    assert speed.source is SpeedSource.MEASURED
    assert figures(speed.generation) == pytest.approx((27, 30, 33))
    assert figures(speed.prompt) == pytest.approx((450, 500, 550))


def test_measurements_of_other_machines_models_and_settings_do_not_count() -> None:
    plan = make_plan(DENSE, gpu_layers=49)
    other_gpu: Gpu = make_gpu("NVIDIA GeForce RTX 4090")
    known = (
        measured(make_machine(other_gpu), plan, 30.0),
        measured(GPU_MACHINE, replace(plan, shape=replace(DENSE, digest="e" * 64)), 30.0),
        measured(GPU_MACHINE, replace(plan, settings=replace(plan.settings, gpu_layers=40)), 30.0),
        measured(GPU_MACHINE, plan, 0.0),
        measured(GPU_MACHINE, plan, float("nan")),
    )
    assert estimate_speed(plan, GPU_MACHINE, measured=known) == estimate_speed(plan, GPU_MACHINE)
