"""Are the planner's figures llama.cpp's own? Every size, quantization and setting, beside a load without memory.

    python -m tests.benchmarks.memory [--sizes e2b ...] [--quantizations Q4_0 ...]

Prints the worst cases of each size: the cache and the weights must be equal, the compute buffer within 1 %.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.probe import ProbedMemory, ProbeFailure, probe
from g4run.hardware.machine import Bandwidth, FigureSource, Machine, Platform
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.kv_types import KvType
from g4run.planner.memory.ledger import has_head_copy
from g4run.planner.values import DeviceLedger, ModelShape, PlanSettings
from scripts.shapes.mixes import MIXES
from scripts.shapes.sizes import SHAPES
from tests.planner.plans import estimate_ledger
from tests.planner.shapes import real_shape, write_sparse

QUANTIZATIONS = ("Q4_0", "Q4_K_M", "Q8_0", "BF16")
CONTEXTS = (4096, 32_768, 131_072, 262_144)
KV_TYPES = (KvType.F16, KvType.Q8_0)
SEQUENCES = (1, 4)
MICRO_BATCHES = (512, 2048)
CPU_MACHINE = Machine(
    Platform("Linux", "x86_64"),
    Processors(1, None),
    Memory(1 << 40, 1 << 40, None),
    Bandwidth(1e10, FigureSource.ASSUMED),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One setting: ours and llama.cpp's, in bytes."""

    settings: PlanSettings
    ours: DeviceLedger
    shape: ModelShape
    theirs: ProbedMemory

    @property
    def weights_error(self) -> int:
        """Bytes too many; a dry load maps nothing, so it counts a tied head twice (src/models/gemma4.cpp:53-55)."""
        theirs = sum(device.weights_bytes or 0 for device in self.theirs.devices)
        mapped = 0 if has_head_copy(self.shape, self.settings, CPU_MACHINE) else self.shape.embedding_bytes
        return self.ours.weights_bytes + mapped - theirs

    @property
    def kv_error(self) -> int:
        """Bytes too many."""
        return self.ours.kv_bytes - self.theirs.kv_bytes

    @property
    def output_error(self) -> int:
        """Bytes too many."""
        return self.ours.output_bytes - sum(device.output_bytes for device in self.theirs.devices)

    @property
    def compute_ratio(self) -> float:
        """Ours over llama.cpp's."""
        return self.ours.compute_bytes / sum(device.compute_bytes for device in self.theirs.devices)


def compare(size: str, quantization: str, settings: Sequence[PlanSettings], directory: Path) -> list[Compared]:
    """Put our figures beside llama.cpp's for each setting; raises AssertionError where it gave none."""
    path = write_sparse(size, quantization, directory / f"{size}-{quantization}.gguf")
    shape = real_shape(size, quantization)
    answers = [probe(_load(path, setting), timeout_seconds=300) for setting in settings]
    path.unlink()
    compared = []
    for setting, theirs in zip(settings, answers, strict=True):
        assert not isinstance(theirs, ProbeFailure), theirs.reason
        compared.append(Compared(setting, estimate_ledger(shape, setting, CPU_MACHINE).devices[-1], shape, theirs))
    return compared


def cpu_settings(
    context: int, kv_type: KvType, sequences: int, micro_batch: int, *, repack: bool = False
) -> PlanSettings:
    """A load on the CPU."""
    return PlanSettings(0, 0, kv_type, context, micro_batch, micro_batch, sequences, 1, lazy_table=False, repack=repack)


def sweep(size: str) -> Iterator[PlanSettings]:
    """Every setting of a size, up to the context that it was trained for."""
    every = product(CONTEXTS, KV_TYPES, SEQUENCES, MICRO_BATCHES, (False, True))
    for context, kv_type, sequences, micro_batch, repack in every:
        if context <= SHAPES[size].context_length:
            yield cpu_settings(context, kv_type, sequences, micro_batch, repack=repack)


def _load(path: Path, settings: PlanSettings) -> LoadParameters:
    return LoadParameters(
        model_path=os.fsencode(path),
        context_length=settings.context,
        threads=1,
        sequences=settings.sequences,
        micro_batch=settings.micro_batch,
        gpu_layers=0,
        kv_type=settings.kv_type,
        repack=settings.repack,
    )


def _row(size: str, quantization: str, compared: Sequence[Compared]) -> str:
    worst = max(compared, key=lambda one: abs(one.compute_ratio - 1))
    kv = max(abs(one.kv_error) for one in compared)
    weights = max(abs(one.weights_error) for one in compared)
    output = max(abs(one.output_error) for one in compared)
    setting = worst.settings
    where = f"{setting.context} {setting.kv_type} x{setting.sequences} ub{setting.micro_batch}"
    percent = (worst.compute_ratio - 1) * 100
    return f"{size:4} {quantization:7} {len(compared):4} {weights:8} {kv:8} {output:8} {percent:+10.5f} %  {where}\n"


def main() -> None:
    """Compare all that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SHAPES, default=tuple(SHAPES))
    parser.add_argument("--quantizations", nargs="+", choices=MIXES, default=QUANTIZATIONS)
    arguments = parser.parse_args()
    sys.stdout.write("size quant.  cases  weights       kv   output  compute, worst, and where (bytes too many)\n")
    with tempfile.TemporaryDirectory() as directory:
        for size, quantization in product(arguments.sizes, arguments.quantizations):
            compared = compare(size, quantization, list(sweep(size)), Path(directory))
            sys.stdout.write(_row(size, quantization, compared))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
