"""Does a model fit into this machine's memory, judged by its size in the family and its file's size alone.

What a list shows of many files at once: one sequence, a context of 8192, an f16 cache, the CPU.
`plan_model` looks closer.
"""

from enum import StrEnum

from g4run.hardware.memory import Memory
from g4run.kv_types import KvType
from g4run.planner.defaults import DEFAULT_CONTEXT, MICRO_BATCH
from g4run.planner.memory.compute_buffers import ComputeLoad, compute_bytes
from g4run.planner.memory.family import find_architecture
from g4run.planner.memory.kv_cache import kv_bytes

UNKNOWN_MARGIN = 0.15  # of the file, for a model of which only the file's size is known


class Fit(StrEnum):
    """The verdict: with what is free now, only after other programs gave memory back, or not at all."""

    YES = "yes"
    TIGHT = "tight"
    NO = "no"


def needed_bytes(file_bytes: int, size_label: str, context_length: int = DEFAULT_CONTEXT) -> int:
    """What a loaded model takes: all of its files, its KV cache, and its compute buffer."""
    architecture = find_architecture(size_label)
    if architecture is None:
        return file_bytes + int(file_bytes * UNKNOWN_MARGIN)
    load = ComputeLoad(context_length, MICRO_BATCH, 1, KvType.F16)
    return file_bytes + kv_bytes(architecture, load) + compute_bytes(architecture, load)


def judge_fit(needed: int, memory: Memory) -> Fit:
    """Compare what is needed with what is free, and with all that this process may ever have."""
    if needed <= memory.available_bytes:
        return Fit.YES
    return Fit.TIGHT if needed <= memory.usable_bytes else Fit.NO
