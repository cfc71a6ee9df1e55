"""Replace the estimated compute buffers of a ledger by what llama.cpp reserves.

This repeats the work of llama.cpp's scheduler and allocator (planner/memory/graph), which takes about 10 ms: too long
for the thousands of plans that a search compares. It agrees with llama.cpp to the byte on RPC servers, on Vulkan with
all layers, and on the CPU beside any GPU (scripts/device_proof). Elsewhere the estimate stays: Vulkan reorders the
graph (ggml_vk_graph_optimize), and others need more for attention (get_alloc_size in ggml-cuda.cu and ggml-metal.cpp).
For parts of a model on such a GPU, the graph needs 3 to 28 MB more than the estimate at 8,192 tokens, which the margin
covers.
"""

from functools import lru_cache

from msgspec.structs import replace

from g4run.hardware.machine import Gpu, Machine
from g4run.kv_types import KvType
from g4run.planner.memory.compute_buffers import PIPELINE_COPIES, reserved_outputs, reserved_tokens
from g4run.planner.memory.graph.allocation import allocate
from g4run.planner.memory.graph.gemma4 import GraphBuilder
from g4run.planner.memory.graph.schedule import schedule
from g4run.planner.memory.graph.tensors import Load
from g4run.planner.memory.kv_cache import BLOCKS, cells_of
from g4run.planner.memory.layer_split import CPU, assign_layers, offloads_batches, usable_gpus
from g4run.planner.memory.ledger import is_pipeline
from g4run.planner.values import DeviceLedger, Ledger, ModelShape, PlanSettings

_CPU_ALIGNMENT, _GPU_ALIGNMENT = 32, 128  # ggml-impl.h: TENSOR_ALIGNMENT; ggml-cuda.cu. A server has its device's.


def with_exact_compute(ledger: Ledger, shape: ModelShape, settings: PlanSettings, machine: Machine) -> Ledger:
    """Return the ledger with exact compute buffers where they are known; without a GPU they are so already."""
    if all(device.gpu is None for device in ledger.devices):
        return ledger
    gpus = usable_gpus(machine)
    places = assign_layers(shape.architecture.layers, settings.gpu_layers, [gpu.free_bytes for gpu in gpus])
    sizes = reserve(_load(shape, settings, gpus, places))
    is_whole = CPU not in places and settings.cpu_expert_layers == 0

    def correct(device: DeviceLedger) -> DeviceLedger:
        backend = None if device.gpu is None else gpus[device.gpu].backend
        is_exact = backend in (None, "RPC") or (backend == "Vulkan" and is_whole)
        reserved = sizes[-1 if device.gpu is None else device.gpu]
        return replace(device, compute_bytes=reserved) if is_exact else device

    return Ledger(tuple(map(correct, ledger.devices)))


@lru_cache(maxsize=64)
def reserve(load: Load) -> tuple[int, ...]:
    """Return the compute buffer of each GPU, and finally of the CPU."""
    order, leafs = schedule(GraphBuilder(load).build(), load)
    alignments = [_GPU_ALIGNMENT if offloads else _CPU_ALIGNMENT for offloads in load.offloads]
    return allocate(order, leafs, [*alignments, _CPU_ALIGNMENT])


def _load(shape: ModelShape, settings: PlanSettings, gpus: tuple[Gpu, ...], places: tuple[int, ...]) -> Load:
    cells = cells_of(shape.architecture.sliding_window, settings)
    values, size = BLOCKS[settings.kv_type]
    return Load(
        architecture=shape.architecture,
        places=tuple(len(gpus) if place == CPU else place for place in places),
        cpu_expert_layers=settings.cpu_expert_layers,
        tokens=reserved_tokens(settings),
        outputs=reserved_outputs(settings),
        context_cells=cells.context,
        sliding_cells=cells.sliding,
        block_values=values,
        block_bytes=size,
        is_rotated=settings.kv_type is not KvType.F16,
        offloads=tuple(map(offloads_batches, gpus)),
        largest_bytes=tuple(layer.largest_bytes for layer in shape.layers),
        down_bytes=tuple(max(0, layer.expert_bytes - layer.largest_bytes) for layer in shape.layers),
        copies=PIPELINE_COPIES if is_pipeline(gpus, settings, len(shape.layers)) else 1,
    )
