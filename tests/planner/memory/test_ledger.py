"""The memory on each device: placements by llama.cpp's rules, compared with published logs."""

import pytest
from msgspec.structs import replace

from g4run.hardware.machine import GpuKind, Platform
from g4run.hardware.processors import Processors
from g4run.kv_types import KvType
from g4run.planner.memory.compute_buffers import ComputeRole, compute_bytes
from g4run.planner.memory.kv_cache import cache_bytes, cells_of, sum_widths
from g4run.planner.memory.layer_split import CPU, assign_layers, usable_gpus
from g4run.planner.memory.ledger import (
    CUDA_CONTEXT_BYTES,
    DRAFTER_COMPUTE_BYTES,
    ENGINE_BYTES,
    GPU_CONTEXT_BYTES,
    PROJECTOR_COMPUTE_BYTES,
    is_repacked,
)
from g4run.planner.values import DeviceLedger, PlanSettings
from tests.planner.machines import GB, MARGIN, gpu, machine
from tests.planner.plans import estimate_ledger
from tests.planner.shapes import real_shape

MIB = 1 << 20
SETTINGS = PlanSettings(0, 0, KvType.F16, 8192, 512, 512, 1, 8, lazy_table=False, repack=False)

TYPES = ("Q4_0", "Q4_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "IQ4_XS", "MXFP4", "BF16", "")
AVX2 = {"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"}
AMX = {"Q4_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_XS"}
ARM = {"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"}


def mebibytes(device: DeviceLedger) -> tuple[int, int, int]:
    """Return model, context, and compute as llama.cpp's log rounds them."""
    return (round(device.weights_bytes / MIB), round(device.kv_bytes / MIB), round(device.compute_bytes / MIB))


def test_a_partly_offloaded_12b_matches_its_log() -> None:
    """ollama#16617: Google's 12B Q4_0, -c 4096 -ub 512, q8_0 cache, 38 of 49 layers on an RTX 4060.

    common_memory_breakdown_print: |   - Host  |  2210 =  2120 +      68 +      22
    common_params_fit_impl:   - CUDA0 (NVIDIA GeForce RTX 4060 Laptop GPU): 38 layers,   5665 MiB used
    """
    settings = replace(SETTINGS, gpu_layers=38, kv_type=KvType.Q8_0, context=4096)
    device, host = estimate_ledger(real_shape("12b"), settings, machine(16, gpu(7))).devices
    assert mebibytes(host) == (2120, 68, 22)
    assert sum(mebibytes(device)) == pytest.approx(5665, abs=5)


def test_the_layers_of_26b_match_a_log() -> None:
    """ik_llama.cpp#1618, "Layer sizes" of a Q4_K_M of 15.628 GiB."""
    layers = real_shape("26b", "Q4_K_M").layers[:6]
    sizes = [(layer.dense_bytes + layer.expert_bytes) / MIB for layer in layers]
    assert sizes == pytest.approx([563.23, 563.23, 563.23, 468.93, 468.93, 569.54], abs=0.01)


def test_the_cpu_alone() -> None:
    shape = real_shape("e2b")
    assert estimate_ledger(shape, SETTINGS, machine(16)).devices == (
        DeviceLedger(
            name="CPU",
            kind="cpu",
            weights_bytes=sum(layer.dense_bytes for layer in shape.layers)
            + shape.embedding_bytes
            + shape.table_bytes
            + shape.output_bytes,
            kv_bytes=60 * MIB,
            compute_bytes=compute_bytes(shape.architecture, SETTINGS),
            output_bytes=MIB,
            projector_bytes=0,
            drafter_bytes=0,
            overhead_bytes=ENGINE_BYTES,
            free_bytes=16 * GB,
            margin_bytes=MARGIN.size_bytes,
        ),
    )


def test_full_offload_leaves_the_inputs_on_the_cpu_and_copies_the_head() -> None:
    shape = replace(real_shape("e2b"), projector_bytes=1000, drafter_bytes=2000)
    settings = replace(SETTINGS, gpu_layers=36)
    layers = sum(layer.dense_bytes for layer in shape.layers)
    device, host = estimate_ledger(shape, settings, machine(16, gpu(8))).devices
    assert device == DeviceLedger(
        name="GPU",
        kind="gpu",
        weights_bytes=layers + shape.embedding_bytes + shape.output_bytes,
        kv_bytes=60 * MIB,
        compute_bytes=compute_bytes(shape.architecture, SETTINGS, ComputeRole.LAYERS),
        output_bytes=0,
        projector_bytes=1000 + PROJECTOR_COMPUTE_BYTES,
        drafter_bytes=2000 + DRAFTER_COMPUTE_BYTES,
        overhead_bytes=CUDA_CONTEXT_BYTES,
        free_bytes=8 * GB,
        gpu=0,
        margin_bytes=MARGIN.size_bytes,
    )
    assert (host.weights_bytes, host.kv_bytes) == (shape.embedding_bytes + shape.table_bytes, 0)
    assert host.compute_bytes == compute_bytes(shape.architecture, SETTINGS, ComputeRole.INPUTS)
    assert (host.projector_bytes, host.drafter_bytes, host.output_bytes) == (0, 0, MIB)


def test_the_first_layers_stay_with_their_cache() -> None:
    shape = real_shape("31b")
    device, host = estimate_ledger(shape, replace(SETTINGS, gpu_layers=41), machine(64, gpu(24))).devices
    first, last = range(20), range(20, 60)
    cells = cells_of(1024, SETTINGS)
    assert host.weights_bytes == shape.embedding_bytes + sum(shape.layers[layer].dense_bytes for layer in first)
    assert host.kv_bytes == cache_bytes(sum_widths(shape.architecture, first), cells, KvType.F16)
    assert device.kv_bytes == cache_bytes(sum_widths(shape.architecture, last), cells, KvType.F16)
    assert device.kv_bytes + host.kv_bytes == 1840 * MIB


def test_experts_move_to_the_cpu_without_their_cache() -> None:
    shape = real_shape("26b")
    all_on_gpu = replace(SETTINGS, gpu_layers=31)
    before = estimate_ledger(shape, all_on_gpu, machine(64, gpu(24))).devices
    after = estimate_ledger(shape, replace(all_on_gpu, cpu_expert_layers=7), machine(64, gpu(24))).devices
    moved = sum(layer.expert_bytes for layer in shape.layers[:7])
    assert [new.weights_bytes - old.weights_bytes for new, old in zip(after, before, strict=True)] == [-moved, moved]
    assert [new.kv_bytes - old.kv_bytes for new, old in zip(after, before, strict=True)] == [0, 0]
    assert after[0].compute_bytes > before[0].compute_bytes + 200 * MIB  # a layer's experts are copied for long batches


def test_repacking_takes_memory_only_for_a_tied_head() -> None:
    """A dry load of E2B Q4_K_M: CPU_REPACK 910,835,712 and CPU 2,831,527,008, with an unmapped head."""
    repacking = replace(SETTINGS, repack=True)
    shape = real_shape("e2b", "Q4_K_M")
    assert shape.head_type == "Q6_K"
    x86, arm = machine(64), replace(machine(64), platform=Platform("Linux", "aarch64"))
    mapped, on_x86, on_arm = (
        estimate_ledger(shape, settings, here).devices[0].weights_bytes
        for settings, here in ((SETTINGS, x86), (repacking, x86), (repacking, arm))
    )
    assert mapped == on_x86 == 910_835_712 + 2_831_527_008 - shape.embedding_bytes
    assert on_arm == mapped + shape.embedding_bytes
    own = estimate_ledger(replace(shape, has_tied_head=False), repacking, arm).devices[0]
    assert own.weights_bytes == mapped


def test_a_lazy_table_takes_no_memory() -> None:
    shape = real_shape("e4b")
    whole, lazy = (
        estimate_ledger(shape, replace(SETTINGS, lazy_table=lazy), machine(64)).devices[0] for lazy in (False, True)
    )
    assert whole.weights_bytes - lazy.weights_bytes == shape.table_bytes


def test_a_shared_memory_gpu_leaves_the_cpu_less() -> None:
    settings = replace(SETTINGS, gpu_layers=49)
    for kind in (GpuKind.UNIFIED, GpuKind.INTEGRATED):
        device, host = estimate_ledger(real_shape("12b"), settings, machine(16, gpu(11, "Metal", kind))).devices
        assert host.free_bytes == 16 * GB - device.total_bytes
        assert device.overhead_bytes == GPU_CONTEXT_BYTES


def test_layers_are_split_by_free_memory() -> None:
    """src/llama-model.cpp:1600: index / offloaded against the ends of the shares, the first layers on the CPU."""
    assert assign_layers(4, 5, [3 * GB, 1 * GB]) == (0, 0, 0, 0, 1)
    assert assign_layers(4, 4, [1 * GB, 1 * GB]) == (CPU, 0, 0, 1, 1)
    assert assign_layers(4, 99, [GB]) == (0,) * 5
    assert assign_layers(4, 0, [GB]) == assign_layers(4, 5, []) == (CPU,) * 5
    assert assign_layers(3, 4, [0, 0]) == (0, 0, 1, 1)


def test_two_gpus_hold_the_whole_together() -> None:
    shape = real_shape("31b")
    settings = replace(SETTINGS, gpu_layers=61)
    one = estimate_ledger(shape, settings, machine(64, gpu(24))).devices
    two = estimate_ledger(shape, settings, machine(64, gpu(12, name="A"), gpu(12, name="B"))).devices
    assert [device.name for device in two] == ["A", "B", "CPU"]
    assert two[0].weights_bytes + two[1].weights_bytes == one[0].weights_bytes + 1024  # rope_freqs once more
    assert two[0].kv_bytes + two[1].kv_bytes == one[0].kv_bytes
    assert two[2] == replace(one[1], compute_bytes=4 * one[1].compute_bytes)  # a pipeline has four copies of inputs


def test_gpus_with_the_same_name_are_numbered() -> None:
    here = machine(64, gpu(12, name="RTX 3090"), gpu(7, name="RTX 3060"), gpu(12, name="RTX 3090"))
    devices = estimate_ledger(real_shape("31b"), replace(SETTINGS, gpu_layers=61), here).devices
    assert [(device.name, device.gpu) for device in devices] == [
        ("RTX 3090 #1", 0),
        ("RTX 3060", 1),
        ("RTX 3090 #2", 2),
        ("CPU", None),
    ]


def test_a_gpu_without_layers_keeps_the_index_of_others() -> None:
    here = machine(64, gpu(0, name="A"), gpu(24, name="B"))
    devices = estimate_ledger(real_shape("31b"), replace(SETTINGS, gpu_layers=61), here).devices
    assert [(device.name, device.gpu) for device in devices] == [("B", 1), ("CPU", None)]


def test_a_pipeline_of_gpus_keeps_four_copies_of_its_masks_without_overrides() -> None:
    """src/llama-context.cpp:430-436; the projector goes to the first GPU, the drafter to the head's."""
    shape = replace(real_shape("26b"), projector_bytes=1000, drafter_bytes=2000)
    here = machine(64, gpu(12, name="A"), gpu(12, name="B"))
    pipeline = estimate_ledger(shape, replace(SETTINGS, gpu_layers=31), here).devices[:2]
    four = compute_bytes(shape.architecture, SETTINGS, ComputeRole.LAYERS, input_copies=4)
    assert [device.compute_bytes for device in pipeline] == [four, four]
    assert [device.projector_bytes for device in pipeline] == [1000 + PROJECTOR_COMPUTE_BYTES, 0]
    assert [device.drafter_bytes for device in pipeline] == [0, 2000 + DRAFTER_COMPUTE_BYTES]
    moved = estimate_ledger(shape, replace(SETTINGS, gpu_layers=31, cpu_expert_layers=1), here).devices[:2]
    staging = shape.layers[0].largest_bytes
    once = compute_bytes(shape.architecture, SETTINGS, ComputeRole.LAYERS, staging_bytes=staging)
    assert [device.compute_bytes for device in moved] == [once, once]


def test_unsupported_gpus_and_integrated_ones_next_to_others_are_unused() -> None:
    own, shared = gpu(8), gpu(16, "Vulkan", GpuKind.INTEGRATED, "iGPU")
    assert usable_gpus(machine(32, gpu(8, None))) == ()
    assert usable_gpus(machine(32, shared, own)) == (own,)
    assert usable_gpus(machine(32, shared)) == (shared,)


def test_servers_come_first_and_leave_an_integrated_gpu_its_place() -> None:
    shared, server = gpu(16, "Vulkan", GpuKind.INTEGRATED, "iGPU"), gpu(8, "RPC", name="10.0.0.1:50052")
    assert usable_gpus(machine(32, shared, server)) == (server, shared)
    assert usable_gpus(machine(32, gpu(8), server)) == (server, gpu(8))


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
def test_repacked_types(architecture: str, instruction_sets: tuple[str, ...], repacked: set[str]) -> None:
    here = replace(
        machine(8),
        platform=Platform("Linux", architecture),
        processors=Processors(4, None, instruction_sets=instruction_sets),
    )
    assert {weight_type for weight_type in TYPES if is_repacked(weight_type, here)} == repacked
