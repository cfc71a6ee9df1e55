"""Replace the estimates in a plan's ledger by llama.cpp's own figures.

A dry load maps nothing, so this subtracts what the real load maps: a tied head, and a table that is read by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from g4run.engine.probe.probe import DeviceMemory, ProbedMemory
from g4run.hardware.machine import Machine
from g4run.planner.memory.ledger import has_head_copy
from g4run.planner.values import DeviceLedger, Ledger, Plan

# ggml's buffer types in main memory: CPU, CPU_REPACK, CPU_Mapped, AMX, CUDA_Host, Vulkan_Host, …
_MAIN_MEMORY_NAMES = ("CPU", "AMX")
_HOST_SUFFIX = "_Host"


@dataclass(frozen=True, slots=True)
class DeviceDifference:
    """By how much llama.cpp's total for a device exceeds the estimate; negative if it is less."""

    device: str
    more_bytes: int


@dataclass(slots=True)
class _Figures:
    """The bytes on one device; None if llama.cpp's log does not tell."""

    weights: int | None = 0
    kv: int | None = 0
    compute: int = 0
    output: int = 0

    def add(self, memory: DeviceMemory) -> None:
        self.weights = _sum(self.weights, memory.weights_bytes)
        self.kv = _sum(self.kv, memory.kv_bytes)
        self.compute += memory.compute_bytes
        self.output += memory.output_bytes


def confirmed_ledger(plan: Plan, machine: Machine, probed: ProbedMemory) -> Ledger:
    """Return the ledger with llama.cpp's weights, cache, compute, and output buffers; margins and free bytes stay.

    GPUs are matched by order. Estimates stay for figures that llama.cpp does not report, and for all GPUs if their
    number differs.
    """
    *gpus, host = plan.ledger.devices
    found = _gpu_figures(probed.devices)
    if len(found) == len(gpus):
        gpus = [_confirmed(device, figures) for device, figures in zip(gpus, found, strict=True)]
    return Ledger((*gpus, _confirmed(host, _host_figures(plan, machine, probed))))


def find_differences(ledger: Ledger, confirmed: Ledger) -> tuple[DeviceDifference, ...]:
    """Return the devices whose totals differ between two ledgers with the same device order."""
    pairs = zip(ledger.devices, confirmed.devices, strict=True)
    found = (DeviceDifference(ours.name, theirs.total_bytes - ours.total_bytes) for ours, theirs in pairs)
    return tuple(difference for difference in found if difference.more_bytes)


def _gpu_figures(devices: Sequence[DeviceMemory]) -> list[_Figures]:
    """Return the figures of each GPU that holds anything."""
    found = []
    for memory in devices:
        if not _is_in_main_memory(memory.name) and _holds_anything(memory):
            figures = _Figures()
            figures.add(memory)
            found.append(figures)
    return found


def _host_figures(plan: Plan, machine: Machine, probed: ProbedMemory) -> _Figures:
    """Return the figures of main memory, summed over buffer types; without a GPU it holds the whole cache."""
    figures = _Figures()
    for memory in probed.devices:
        if _is_in_main_memory(memory.name):
            figures.add(memory)
    if figures.weights is not None:
        figures.weights -= _unmapped_bytes(plan, machine)
    if figures.kv is None and len(plan.ledger.devices) == 1:
        figures.kv = probed.kv_bytes
    return figures


def _unmapped_bytes(plan: Plan, machine: Machine) -> int:
    """Return the weights that take memory only in a load without mmap."""
    shape, settings = plan.shape, plan.settings
    is_on_cpu = shape.has_tied_head and settings.gpu_layers == 0
    is_mapped = is_on_cpu and not has_head_copy(shape, settings, machine)
    return shape.embedding_bytes * is_mapped + shape.table_bytes * settings.lazy_table


def _confirmed(device: DeviceLedger, figures: _Figures) -> DeviceLedger:
    return replace(
        device,
        weights_bytes=device.weights_bytes if figures.weights is None else figures.weights,
        kv_bytes=device.kv_bytes if figures.kv is None else figures.kv,
        compute_bytes=figures.compute,
        output_bytes=figures.output,
    )


def _is_in_main_memory(name: str) -> bool:
    return name.startswith(_MAIN_MEMORY_NAMES) or name.endswith(_HOST_SUFFIX)


def _holds_anything(memory: DeviceMemory) -> bool:
    return any((memory.weights_bytes, memory.kv_bytes, memory.compute_bytes, memory.output_bytes))


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
