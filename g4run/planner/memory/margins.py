"""The memory that a plan leaves free on each device, in addition to what it counts: one law for all commands.

It is for what no plan sees: the display, other programs that grow, and allocators that round up. What other programs
and the system use already counts towards it, so that it is kept only once.
"""

import re

from g4run.hardware.machine import Gpu, GpuKind, Machine
from g4run.planner.memory.layer_split import shares_main_memory

# Shares of a device's memory and bytes, of which the larger counts. Assumed: a desktop takes 0.3 to 1 GB of a card.
_GPU_SHARE, _GPU_BYTES = 0.02, 300_000_000
_DISPLAY_SHARE, _DISPLAY_BYTES = 0.05, 500_000_000  # of the first GPU, with what is in use already
_MAIN_SHARE, _MAIN_BYTES, _MOST_MAIN_BYTES = 0.05, 250_000_000, 2_000_000_000
_SHARED_SHARE, _SHARED_BYTES = 0.15, 4_000_000_000  # of memory that a GPU shares, with what is in use already

_SERVER_CARD = re.compile(
    r"\b(?:A(?:2|10G?|16|30|40|100|800)|H(?:20|100|200|800)|L(?:2|4|20|40S?)|B[123]00|V100S?|T4G?|P(?:4|40|100)|K[48]0|"
    r"M[46]0|GH200|GB[23]00|MI\d{2,3}X?|MIG|Tesla|Instinct)\b",
    re.ASCII,
)


def gpu_margin(gpu: Gpu, machine: Machine, *, is_first: bool) -> int:
    """Return the bytes that stay free on a GPU: more if it may have a display, which server cards have not."""
    if machine.margin is not None:
        return machine.margin.of(gpu.total_bytes)
    least = max(_GPU_BYTES, int(gpu.total_bytes * _GPU_SHARE))
    if gpu.kind is not GpuKind.DISCRETE or not is_first or _SERVER_CARD.search(gpu.name):
        return least
    for_display = max(_DISPLAY_BYTES, int(gpu.total_bytes * _DISPLAY_SHARE))
    return max(least, for_display - (gpu.total_bytes - gpu.free_bytes))


def main_memory_margin(machine: Machine) -> int:
    """Return the bytes of main memory that stay free; the system needs more if a GPU shares them."""
    usable = machine.memory.usable_bytes
    if machine.margin is not None:
        return machine.margin.of(usable)
    least = min(max(_MAIN_BYTES, int(usable * _MAIN_SHARE)), _MOST_MAIN_BYTES)
    if not shares_main_memory(machine):
        return least
    for_system = max(_SHARED_BYTES, int(usable * _SHARED_SHARE))
    return max(least, for_system - (usable - machine.memory.available_bytes))
