"""Assign layers to devices by llama.cpp's rules (src/llama-model.cpp:1555-1615)."""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from g4run.hardware.machine import Gpu, GpuKind, Machine

CPU = -1  # device number of the CPU
SHARED_MEMORY = frozenset({GpuKind.INTEGRATED, GpuKind.UNIFIED})


def usable_gpus(machine: Machine) -> tuple[Gpu, ...]:
    """Return the GPUs that llama.cpp would use: those that the build supports, an integrated one only without others.

    RPC servers come first, and an integrated GPU counts beside them (src/llama.cpp:225-285).
    """
    gpus = tuple(gpu for gpu in machine.gpus if gpu.backend not in (None, "RPC"))
    dedicated = tuple(gpu for gpu in gpus if gpu.kind is not GpuKind.INTEGRATED)
    servers = tuple(gpu for gpu in machine.gpus if gpu.backend == "RPC")
    return (*servers, *(dedicated or gpus[:1]))


def offloads_batches(gpu: Gpu) -> bool:
    """Return whether a GPU computes long batches with the CPU's weights: all but RPC servers do (ggml-rpc.cpp)."""
    return gpu.backend != "RPC"


def shares_main_memory(machine: Machine) -> bool:
    """Return whether all GPUs that llama.cpp would use take their memory from main memory."""
    gpus = usable_gpus(machine)
    return bool(gpus) and all(gpu.kind in SHARED_MEMORY for gpu in gpus)


def assign_layers(layers: int, gpu_layers: int, free_bytes: Sequence[int]) -> tuple[int, ...]:
    """Return the device of each layer and finally of the head: the number of a GPU, or CPU.

    The first layers stay on the CPU; the others are split in proportion to the GPUs' free memory.
    """
    if not free_bytes or gpu_layers <= 0:
        return (CPU,) * (layers + 1)
    offloaded = min(gpu_layers, layers + 1)
    first = layers + 1 - offloaded
    if len(free_bytes) == 1:
        return (CPU,) * first + (0,) * offloaded
    ends = _split_points(free_bytes)
    return (CPU,) * first + tuple(
        min(bisect_right(ends, _single(index / offloaded)), len(ends) - 1) for index in range(offloaded)
    )


def _split_points(free_bytes: Sequence[int]) -> list[float]:
    """Return where each GPU's share ends, from 0 to 1; the shares are equal if nothing is known."""
    sums = list(accumulate(float(free) for free in free_bytes))
    if sums[-1] <= 0:
        return [(index + 1) / len(sums) for index in range(len(sums))]
    return [_single(part / sums[-1]) for part in sums]


def _single(number: float) -> float:
    """Round a number to llama.cpp's 32-bit float."""
    return float(struct.unpack("f", struct.pack("f", number))[0])
