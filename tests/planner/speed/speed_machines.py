"""Hand-made machines and plans for the calibration rows and for tests."""

from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, Machine, Platform
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.kv_types import KvType
from g4run.planner.speed.calibration import PROCESSOR_FLOPS
from g4run.planner.speed.device_classes import DeviceClass
from g4run.planner.speed.devices import speed_devices
from g4run.planner.speed.prompt import operations_per_prompt_token, prompt_tokens_per_second
from g4run.planner.values import Ledger, ModelShape, Placement, Plan, PlanSettings
from tests.planner.speed.speed_rows import Row, model_shape

NAMES = {"apple_m1": "Apple M1 Max", "apple": "Apple M4 Pro", "integrated": "AMD Radeon 780M"}
KINDS = {"apple_m1": GpuKind.UNIFIED, "apple": GpuKind.UNIFIED, "integrated": GpuKind.INTEGRATED}
PROCESSORS = ("x86", "x86_512", "arm")


def make_machine(
    *gpus: Gpu,
    bandwidth: float = 89.6e9,
    source: FigureSource = FigureSource.NOMINAL,
    cores: int = 8,
    architecture: str = "x86_64",
    instruction_sets: tuple[str, ...] = (),
) -> Machine:
    return Machine(
        platform=Platform("Linux", architecture),
        processors=Processors(cores, None, instruction_sets=instruction_sets),
        memory=Memory(64 << 30, 60 << 30, None),
        memory_bandwidth=Bandwidth(bandwidth, source),
        gpus=gpus,
    )


def make_gpu(
    name: str = "NVIDIA GeForce RTX 3090",
    bandwidth: float | None = 936e9,
    flops: float | None = 71e12,
    kind: GpuKind = GpuKind.DISCRETE,
    gibibytes: int = 24,
) -> Gpu:
    known = None if bandwidth is None else Bandwidth(bandwidth, FigureSource.NOMINAL)
    return Gpu(name, kind, "CUDA", gibibytes << 30, gibibytes << 30, known, flops)


def make_plan(
    shape: ModelShape,
    *,
    gpu_layers: int = 0,
    expert_layers: int = 0,
    kv_type: KvType = KvType.F16,
    threads: int = 8,
    micro_batch: int = 512,
) -> Plan:
    settings = PlanSettings(
        gpu_layers, expert_layers, kv_type, 8192, 2048, micro_batch, 1, threads, lazy_table=False, repack=True
    )
    placement = Placement.GPU if gpu_layers else Placement.CPU
    return Plan(shape, placement, settings, Ledger(()), {})


def machine_of(row: Row) -> Machine:
    """Return the machine that a row was measured on; a GPU's host is assumed to have two memory channels."""
    if row.device_class in PROCESSORS:
        cores = row.cores or 4
        architecture = "aarch64" if row.device_class == "arm" else "x86_64"
        instruction_sets = ("avx512_vnni",) if row.device_class == "x86_512" else ()
        return make_machine(
            bandwidth=row.bytes_per_second, cores=cores, architecture=architecture, instruction_sets=instruction_sets
        )
    name, kind = NAMES.get(row.device_class, row.device), KINDS.get(row.device_class, GpuKind.DISCRETE)
    return make_machine(make_gpu(name, row.bytes_per_second, row.half_precision_flops, kind))


def plan_of(row: Row) -> Plan:
    """Return the plan that a row was measured with."""
    shape = model_shape(row.size, row.bits_per_weight)
    return make_plan(
        shape,
        gpu_layers=0 if row.device_class in PROCESSORS else len(shape.layers) + 1,
        expert_layers=row.cpu_expert_layers,
        kv_type=row.kv_type,
        threads=row.cores or 8,
        micro_batch=row.micro_batch,
    )


def prompt_ratio(row: Row) -> float:
    """Return predicted to measured prompt speed of a row."""
    assert row.prompt_tokens and row.prompt_tokens_per_second
    plan = plan_of(row)
    devices = speed_devices(plan, machine_of(row))
    predicted = prompt_tokens_per_second(plan.shape, plan.settings, devices, row.prompt_depth, row.prompt_tokens)
    return predicted / row.prompt_tokens_per_second


def prompt_efficiency(row: Row) -> float:
    """Return the share of a GPU's rate, or of PROCESSOR_FLOPS per core, that a row reached."""
    assert row.prompt_tokens and row.prompt_tokens_per_second
    operations = operations_per_prompt_token(plan_of(row).shape.architecture, row.prompt_depth + row.prompt_tokens / 2)
    rate = row.half_precision_flops or (row.cores or 1) * PROCESSOR_FLOPS[DeviceClass(row.device_class)]
    return operations * row.prompt_tokens_per_second / rate
