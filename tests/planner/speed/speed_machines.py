"""Hand-made machines and plans for the calibration rows and for tests."""

import re

from g4run.hardware.gpus.gpu_table import find_gpu
from g4run.hardware.machine import Bandwidth, FigureSource, Gpu, GpuKind, Machine, Platform
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.kv_types import KvType
from g4run.planner.speed.devices import speed_devices
from g4run.planner.speed.prompt import operations_per_prompt_token, prompt_tokens_per_second
from g4run.planner.speed.token_cost import split_cost
from g4run.planner.values import Ledger, ModelShape, Placement, Plan, PlanSettings
from tests.planner.speed.speed_fit import PROCESSORS, Observation
from tests.planner.speed.speed_rows import Row, model_shape

SHARED_MEMORY = {
    "apple": GpuKind.UNIFIED,
    "gb10": GpuKind.UNIFIED,
    "jetson": GpuKind.UNIFIED,
    "integrated": GpuKind.INTEGRATED,
}
INSTRUCTION_SETS = {
    "arm_neon": ("neon",),
    "arm": ("neon", "dotprod"),
    "arm_i8mm": ("neon", "dotprod", "i8mm"),
    "x86": ("avx2",),
    "x86_vnni": ("avx2", "avx_vnni"),
    "x86_512": ("avx2", "avx512_vnni"),
}


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
    backend: str = "CUDA",
) -> Gpu:
    known = None if bandwidth is None else Bandwidth(bandwidth, FigureSource.NOMINAL)
    return Gpu(name, kind, backend, gibibytes << 30, gibibytes << 30, known, flops)


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
        return make_machine(
            bandwidth=row.bytes_per_second,
            cores=row.cores or 4,
            architecture="aarch64" if row.device_class.startswith("arm") else "x86_64",
            instruction_sets=INSTRUCTION_SETS[row.device_class],
        )
    kind = SHARED_MEMORY.get(row.device_class, GpuKind.DISCRETE)
    name = f"Apple {row.device}" if row.device_class == "apple" else row.device
    backend = "Metal" if row.device_class == "apple" else row.backend
    backend = backend if backend in ("ROCm", "Vulkan", "Metal") else "CUDA"  # of programs that do not say
    return make_machine(make_gpu(name, row.bytes_per_second, row.half_precision_flops, kind, backend=backend))


def plan_of(row: Row) -> Plan:
    """Return the plan that a row was measured with."""
    shape = model_shape(row.size, row.bits_per_weight, _weight_type(row))
    return make_plan(
        shape,
        gpu_layers=0 if row.device_class in PROCESSORS else len(shape.layers) + 1,
        expert_layers=row.cpu_expert_layers,
        kv_type=row.kv_type,
        threads=row.cores or 8,
        micro_batch=row.micro_batch,
    )


def _weight_type(row: Row) -> str:
    """Return the type of most weights; QAT files of a K-quant's name hold Q4_0 (4.5 bits)."""
    if row.bits_per_weight <= 4.5 and not row.quantization.startswith("IQ"):
        return "Q4_0"
    found = re.search(r"I?Q\d_(?:K|0|XS|NL)|BF16", row.quantization)
    return found[0] if found else ""


def observation(row: Row) -> Observation:
    """Return the observation of a row with a generation speed."""
    assert row.generation_tokens_per_second
    plan, machine = plan_of(row), machine_of(row)
    split = split_cost(plan.shape, plan.settings, row.position)
    cost, architecture = split.gpu if machine.gpus else split.cpu, plan.shape.architecture
    copied = cost.copied_bytes * any(gpu.backend in ("CUDA", "ROCm") for gpu in machine.gpus)
    no_head = not row.reads_head
    return Observation(
        device=row.device,
        device_class=row.device_class,
        weight_bytes=cost.weight_bytes - no_head * plan.shape.head_bytes,
        expert_bytes=cost.expert_bytes,
        weights=cost.weights - no_head * architecture.vocabulary_size * architecture.embedding_length,
        expert_weights=cost.expert_weights,
        is_k_quant=plan.shape.weight_type.endswith("_K") or plan.shape.weight_type.startswith("IQ"),
        cache_bytes=cost.cache_bytes + copied,
        attention_operations=cost.attention_operations,
        layers=cost.layers,
        is_mixture=architecture.expert_count > 0,
        has_embeddings=architecture.per_layer_embedding_length > 0,
        is_sampled=row.reads_head,
        bytes_per_second=row.bytes_per_second,
        arithmetic_rate=_vector_flops(machine.gpus[0]) if machine.gpus else row.cores or 4,
        milliseconds=1000 / row.generation_tokens_per_second,
    )


def _vector_flops(gpu: Gpu) -> float:
    known = find_gpu(gpu.name, gpu.total_bytes)
    assert known is not None and gpu.half_precision_flops, gpu.name
    return known.vector_flops * gpu.half_precision_flops / known.half_precision_flops


def prompt_ratio(row: Row) -> float:
    """Return predicted to measured prompt speed of a row."""
    assert row.prompt_tokens and row.prompt_tokens_per_second
    plan = plan_of(row)
    devices = speed_devices(plan, machine_of(row))
    predicted = prompt_tokens_per_second(plan.shape, plan.settings, devices, row.prompt_depth, row.prompt_tokens)
    return predicted / row.prompt_tokens_per_second


def prompt_efficiency(row: Row) -> float:
    """Return the share of a GPU's rate, or the operations per second and core, that a row reached."""
    assert row.prompt_tokens and row.prompt_tokens_per_second
    operations = operations_per_prompt_token(plan_of(row).shape.architecture, row.prompt_depth + row.prompt_tokens / 2)
    return operations * row.prompt_tokens_per_second / (row.half_precision_flops or row.cores or 1)
