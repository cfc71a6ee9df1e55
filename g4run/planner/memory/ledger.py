"""Compute the memory that a model takes on every device, item by item.

The CPU maps its weights from the file (mmap), so it holds each once. With `repack` it holds copies, and the engine
releases the originals; only a tied head that is repacked is there twice. Not counted: the rounding of GPU drivers
(CUDA pads a tensor's last row to 512 values), a few kilobytes in total.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from g4run.hardware.machine import Gpu, Machine
from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.memory.compute_buffers import PIPELINE_COPIES, ComputeRole, compute_bytes, output_bytes
from g4run.planner.memory.kv_cache import CellWidths, cache_bytes, cells_of, owner_of, sum_widths, widths_of_layer
from g4run.planner.memory.layer_split import CPU, SHARED_MEMORY, assign_layers, offloads_batches, usable_gpus
from g4run.planner.memory.margins import gpu_margin, main_memory_margin
from g4run.planner.values import DeviceLedger, Ledger, ModelShape, PlanSettings

CPU_NAME = "CPU"

# In bytes, for what no formula gives. What stays free beside it: margins.py.
ENGINE_BYTES = 250_000_000  # both processes with libraries and vocabulary: 91 MB measured, plus the real merges
CUDA_CONTEXT_BYTES = 600_000_000  # 0.3 to 0.6 GB for context, cuBLAS, memory pools, and graphs (CUDA, ROCm)
GPU_CONTEXT_BYTES = 200_000_000  # Metal, Vulkan, SYCL
PROJECTOR_COMPUTE_BYTES = 250 << 20  # 140 to 250 MiB in addition to 26B's and 31B's projector
DRAFTER_COMPUTE_BYTES = 64 << 20  # logits of some tokens, and a layer's activations; it shares the model's cache

_HEAVY_BACKENDS = frozenset({"CUDA", "ROCm", "HIP", "MUSA"})

# ggml-cpu/repack.cpp, ggml_repack_get_optimal_repack_type, and amx/common.h, qtype_has_amx_kernels.
_AVX2_TYPES = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
_AVX512_TYPES = frozenset({"Q2_K"})
_AMX_TYPES = frozenset({"Q4_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_XS"})
_DOT_PRODUCT_TYPES = frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"})
_TYPES = {"avx2": _AVX2_TYPES, "avx512f": _AVX512_TYPES, "amx_int8": _AMX_TYPES, "dotprod": _DOT_PRODUCT_TYPES}

_X86 = ("x86_64", "amd64")


class DeviceShare(msgspec.Struct, frozen=True):
    """The part of a model on one device that does not depend on the context."""

    name: str
    kind: str  # cpu or gpu
    free_bytes: int
    weights_bytes: int
    widths: CellWidths
    role: ComputeRole
    overhead_bytes: int
    margin_bytes: int
    projector_bytes: int = 0
    drafter_bytes: int = 0
    staging_bytes: int = 0  # of the largest CPU tensor, which the GPU copies for long batches
    copied_widths: CellWidths = CellWidths()  # of other devices' caches, which its layers share
    staged_widths: tuple[CellWidths, ...] = (CellWidths(),)  # of the CPU's layers, whose caches a GPU copies one by one
    input_copies: int = 1
    shares_main_memory: bool = False
    gpu: int | None = None  # index among the GPUs that llama.cpp uses


def ledger_of(shape: ModelShape, shares: tuple[DeviceShare, ...], settings: PlanSettings) -> Ledger:
    """Add what depends on the context, the sequences, and the KV cache type."""
    gpus = tuple(_device(shape, share, settings) for share in shares[:-1])
    shared = sum(gpu.total_bytes for gpu, share in zip(gpus, shares, strict=False) if share.shares_main_memory)
    return Ledger((*gpus, _device(shape, shares[-1], settings, taken_bytes=shared)))


def shares_of(shape: ModelShape, settings: PlanSettings, machine: Machine) -> tuple[DeviceShare, ...]:
    """Place every tensor: GPUs in order, then the CPU. GPUs without layers are left out."""
    layers = shape.architecture.layers
    gpus = usable_gpus(machine)
    places = assign_layers(layers, settings.gpu_layers, [gpu.free_bytes for gpu in gpus])
    copies = PIPELINE_COPIES if is_pipeline(gpus, settings, layers) else 1
    used = [number for number in range(len(gpus)) if number in places]
    found = [_gpu_share(shape, settings, machine, number, places, copies) for number in used]
    role = _cpu_role(settings, places, [gpus[number] for number in used])
    return (*found, _cpu_share(shape, settings, machine, places, role, copies))


def _cpu_role(settings: PlanSettings, places: tuple[int, ...], used: Sequence[Gpu]) -> ComputeRole:
    has_work = CPU in places or settings.cpu_expert_layers > 0
    return ComputeRole.ALL if has_work and not any(map(offloads_batches, used)) else ComputeRole.INPUTS


def _device(shape: ModelShape, share: DeviceShare, settings: PlanSettings, taken_bytes: int = 0) -> DeviceLedger:
    architecture = shape.architecture
    cells = cells_of(architecture.sliding_window, settings)
    sizes = partial(cache_bytes, cells=cells, kv_type=settings.kv_type)
    return DeviceLedger(
        name=share.name,
        kind=share.kind,
        weights_bytes=share.weights_bytes,
        kv_bytes=sizes(share.widths),
        compute_bytes=compute_bytes(
            architecture,
            settings,
            share.role,
            input_copies=share.input_copies,
            staging_bytes=max(share.staging_bytes, *map(sizes, share.staged_widths)),
            copied_cache_bytes=share.input_copies * sizes(share.copied_widths),
        ),
        output_bytes=output_bytes(architecture, settings.sequences) if share.kind == "cpu" else 0,
        projector_bytes=share.projector_bytes,
        drafter_bytes=share.drafter_bytes,
        overhead_bytes=share.overhead_bytes,
        free_bytes=max(0, share.free_bytes - taken_bytes),
        margin_bytes=share.margin_bytes,
        gpu=share.gpu,
    )


def is_pipeline(gpus: tuple[Gpu, ...], settings: PlanSettings, layers: int) -> bool:
    """Return whether the GPUs form a pipeline: several, all layers on them, no tensors overridden.

    src/llama-context.cpp:430-436.
    """
    return len(gpus) > 1 and settings.gpu_layers > layers and settings.cpu_expert_layers == 0


def _gpu_share(
    shape: ModelShape,
    settings: PlanSettings,
    machine: Machine,
    number: int,
    places: tuple[int, ...],
    copies: int,
) -> DeviceShare:
    gpus = usable_gpus(machine)
    gpu = gpus[number]
    own = tuple(layer for layer, place in enumerate(places[:-1]) if place == number)
    has_head = places[-1] == number
    weights = sum(_on_gpu(shape, layer, settings) for layer in own) + (shape.head_bytes if has_head else 0)
    weights += _duplicate_bytes(shape.architecture, own)
    return DeviceShare(
        name=_name_of(gpus, number),
        kind="gpu",
        free_bytes=gpu.free_bytes,
        weights_bytes=weights,
        widths=sum_widths(shape.architecture, own),
        role=ComputeRole.LAYERS,
        overhead_bytes=CUDA_CONTEXT_BYTES if gpu.backend in _HEAVY_BACKENDS else GPU_CONTEXT_BYTES,
        margin_bytes=gpu_margin(gpu, machine, is_first=number == _first_local(gpus)),
        projector_bytes=_with_margin(shape.projector_bytes, PROJECTOR_COMPUTE_BYTES) if number == 0 else 0,
        drafter_bytes=_with_margin(shape.drafter_bytes, DRAFTER_COMPUTE_BYTES) if has_head else 0,
        staging_bytes=_staging_bytes(shape, settings, places) if offloads_batches(gpu) else 0,
        copied_widths=_copied_widths(shape.architecture, own, places, number),
        staged_widths=_staged_widths(shape.architecture, places if offloads_batches(gpu) else ()),
        input_copies=copies,
        shares_main_memory=gpu.kind in SHARED_MEMORY,
        gpu=number,
    )


def _first_local(gpus: Sequence[Gpu]) -> int | None:
    """Return the number of this machine's first GPU, which may have a display; RPC servers come before it."""
    return next((number for number, gpu in enumerate(gpus) if gpu.backend != "RPC"), None)


def _duplicate_bytes(architecture: Gemma4, own: Sequence[int]) -> int:
    """Return the size of rope_freqs, of which each device with a global layer has a copy (src/models/gemma4.cpp:87)."""
    globals_ = [layer for layer, sliding in enumerate(architecture.sliding_pattern) if not sliding]
    needs_copy = any(layer in own for layer in globals_[1:]) and globals_[0] not in own
    return 4 * architecture.key_length // 2 if needs_copy else 0


def _name_of(gpus: tuple[Gpu, ...], number: int) -> str:
    """Return a GPU's name, numbered if several have the same: "RTX 3090 #2"."""
    name = gpus[number].name
    alike = [index for index, gpu in enumerate(gpus) if gpu.name == name]
    return name if len(alike) == 1 else f"{name} #{alike.index(number) + 1}"


def _cpu_share(
    shape: ModelShape,
    settings: PlanSettings,
    machine: Machine,
    places: tuple[int, ...],
    role: ComputeRole,
    copies: int,
) -> DeviceShare:
    has_gpu = any(place != CPU for place in places)
    own = tuple(layer for layer, place in enumerate(places[:-1]) if place == CPU)
    return DeviceShare(
        name=CPU_NAME,
        kind="cpu",
        free_bytes=machine.memory.available_bytes,
        weights_bytes=_cpu_weights_bytes(shape, settings, places, machine),
        widths=sum_widths(shape.architecture, own),
        role=role,
        input_copies=copies,
        overhead_bytes=ENGINE_BYTES,
        margin_bytes=main_memory_margin(machine),
        projector_bytes=_with_margin(shape.projector_bytes, PROJECTOR_COMPUTE_BYTES) if not has_gpu else 0,
        drafter_bytes=_with_margin(shape.drafter_bytes, DRAFTER_COMPUTE_BYTES) if not has_gpu else 0,
    )


def _cpu_weights_bytes(shape: ModelShape, settings: PlanSettings, places: tuple[int, ...], machine: Machine) -> int:
    """Return the CPU's weights; a tied head there is the embeddings, unless it is repacked (gemma4.cpp:53-55)."""
    table = 0 if settings.lazy_table else shape.table_bytes
    weights = shape.embedding_bytes + table + (shape.output_bytes if places[-1] == CPU else 0)
    for layer, (place, own) in enumerate(zip(places, shape.layers, strict=False)):
        if place == CPU:
            weights += own.dense_bytes + own.expert_bytes
        elif layer < settings.cpu_expert_layers:
            weights += own.expert_bytes
    return weights + (shape.embedding_bytes if places[-1] == CPU and has_head_copy(shape, settings, machine) else 0)


def has_head_copy(shape: ModelShape, settings: PlanSettings, machine: Machine) -> bool:
    """Return whether the CPU keeps a repacked copy of the embeddings for the head."""
    return settings.repack and shape.has_tied_head and is_repacked(shape.head_type, machine)


def is_repacked(weight_type: str, machine: Machine) -> bool:
    """Return whether llama.cpp repacks weights of a type on a machine's CPU.

    Repacking makes loading slower, so a plan uses it only if it speeds up generation. An unknown CPU counts as able to
    do what all can since 2013 (x86) or 2018 (ARM).
    """
    known = machine.processors.instruction_sets or _usual_sets(machine.platform.architecture.lower())
    return any(weight_type in _TYPES.get(name, ()) for name in known)


def _usual_sets(architecture: str) -> tuple[str, ...]:
    if architecture in _X86:
        return ("avx2",)
    return ("dotprod",) if architecture.startswith(("arm", "aarch")) else ()


def _on_gpu(shape: ModelShape, layer: int, settings: PlanSettings) -> int:
    own = shape.layers[layer]
    return own.dense_bytes + (0 if layer < settings.cpu_expert_layers else own.expert_bytes)


def _staging_bytes(shape: ModelShape, settings: PlanSettings, places: tuple[int, ...]) -> int:
    """Return the size of the largest CPU tensor, which a GPU copies to multiply 32 tokens or more (op_offload).

    Whole layers on the CPU and layers with their experts there are both the first ones.
    """
    moved = max(places[:-1].count(CPU), min(settings.cpu_expert_layers, _expert_layers(shape)))
    return max((layer.largest_bytes for layer in shape.layers[:moved]), default=0)


def _copied_widths(architecture: Gemma4, own: Sequence[int], places: tuple[int, ...], number: int) -> CellWidths:
    """Return the caches of other devices that a GPU's layers share; each layer has a copy of its own."""
    owners = (owner_of(architecture, layer) for layer in own)
    return sum_widths(architecture, (owner for owner in owners if places[owner] != number))


def _staged_widths(architecture: Gemma4, places: tuple[int, ...]) -> tuple[CellWidths, ...]:
    """Return the caches of the CPU's layers, whose attention a GPU computes in long batches."""
    layers = (owner_of(architecture, layer) for layer, place in enumerate(places[:-1]) if place == CPU)
    return (CellWidths(), *{widths_of_layer(architecture, layer) for layer in layers})


def _expert_layers(shape: ModelShape) -> int:
    return len(shape.layers) if shape.architecture.expert_count else 0


def _with_margin(size_bytes: int, margin: int) -> int:
    return size_bytes + margin if size_bytes else 0
