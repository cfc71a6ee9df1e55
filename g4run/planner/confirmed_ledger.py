"""Replace the estimates in a plan's ledger by llama.cpp's own figures.

A dry load maps nothing, so this subtracts what the real load maps: a tied head, and a table that is read by row.
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from g4run.engine.probe.probe import DeviceMemory, ProbedMemory
from g4run.hardware.machine import Machine
from g4run.planner.memory.ledger import has_head_copy
from g4run.planner.values import DeviceLedger, Ledger, Plan

# ggml's buffer types in main memory: CPU, CPU_REPACK, CPU_Mapped, AMX, CUDA_Host, Vulkan_Host, …
_MAIN_MEMORY_NAMES = ("CPU", "AMX")
_HOST_SUFFIX = "_Host"


class DeviceDifference(msgspec.Struct, frozen=True):
    """By how much llama.cpp's total for a device exceeds the estimate; negative if it is less."""

    device: str
    more_bytes: int


def confirmed_ledger(plan: Plan, machine: Machine, probed: ProbedMemory) -> Ledger:
    """Return the ledger with llama.cpp's weights, cache, compute, and output buffers; margins and free bytes stay.

    GPUs are matched by order. Estimates stay for figures that llama.cpp does not report, and for all GPUs if their
    number differs.
    """
    *gpus, host = plan.ledger.devices
    found = [memory for memory in probed.devices if not _is_in_main_memory(memory) and _holds_anything(memory)]
    if len(found) == len(gpus):
        gpus = [_confirmed(device, memory) for device, memory in zip(gpus, found, strict=True)]
    return Ledger((*gpus, _confirmed(host, _host_memory(plan, machine, probed))))


def find_differences(ledger: Ledger, confirmed: Ledger) -> tuple[DeviceDifference, ...]:
    """Return the devices whose totals differ between two ledgers with the same device order."""
    pairs = zip(ledger.devices, confirmed.devices, strict=True)
    found = (DeviceDifference(ours.name, theirs.total_bytes - ours.total_bytes) for ours, theirs in pairs)
    return tuple(difference for difference in found if difference.more_bytes)


def _host_memory(plan: Plan, machine: Machine, probed: ProbedMemory) -> DeviceMemory:
    """Return the sum over main memory's buffer types; without a GPU it holds the whole cache."""
    parts = [memory for memory in probed.devices if _is_in_main_memory(memory)]
    weights, kv = _sum(part.weights_bytes for part in parts), _sum(part.kv_bytes for part in parts)
    return DeviceMemory(
        name="CPU",
        weights_bytes=None if weights is None else weights - _unmapped_bytes(plan, machine),
        kv_bytes=probed.kv_bytes if kv is None and len(plan.ledger.devices) == 1 else kv,
        compute_bytes=sum(part.compute_bytes for part in parts),
        output_bytes=sum(part.output_bytes for part in parts),
    )


def _unmapped_bytes(plan: Plan, machine: Machine) -> int:
    """Return the weights that take memory only in a load without mmap."""
    shape, settings = plan.shape, plan.settings
    is_on_cpu = shape.has_tied_head and settings.gpu_layers == 0
    is_mapped = is_on_cpu and not has_head_copy(shape, settings, machine)
    return shape.embedding_bytes * is_mapped + shape.table_bytes * settings.lazy_table


def _confirmed(device: DeviceLedger, memory: DeviceMemory) -> DeviceLedger:
    return replace(
        device,
        weights_bytes=device.weights_bytes if memory.weights_bytes is None else memory.weights_bytes,
        kv_bytes=device.kv_bytes if memory.kv_bytes is None else memory.kv_bytes,
        compute_bytes=memory.compute_bytes,
        output_bytes=memory.output_bytes,
    )


def _is_in_main_memory(memory: DeviceMemory) -> bool:
    return memory.name.startswith(_MAIN_MEMORY_NAMES) or memory.name.endswith(_HOST_SUFFIX)


def _holds_anything(memory: DeviceMemory) -> bool:
    return any((memory.weights_bytes, memory.kv_bytes, memory.compute_bytes, memory.output_bytes))


def _sum(sizes: Iterable[int | None]) -> int | None:
    """Return the sum; None if a size is unknown."""
    known = list(sizes)
    return None if None in known else sum(size for size in known if size is not None)
