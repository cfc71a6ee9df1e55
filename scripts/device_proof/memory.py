"""Compare plans with llama.cpp's own figures, per device: weights, cache, compute and output, in bytes."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from g4run.engine.probe.probe import ProbeFailure, probe
from g4run.hardware.inspection import inspect_machine
from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.models.library import Library
from g4run.planner.confirmed_ledger import confirmed_ledger
from g4run.planner.placement import plan_with_drafter
from g4run.planner.values import ModelShape, Plan, PlanRequest
from g4run.runtime.loading import load_parameters, shape_of_file
from g4run.settings import read_settings
from scripts.device_proof.servers import servers
from scripts.shapes.sizes import SHAPES
from scripts.shapes.writer import write_shape

QUANTIZATION = "Q4_K_M"
LOADS = (  # context, cache, sequences, micro-batch
    *product((4096,), (KvType.F16, KvType.Q8_0), (1, 4), (512, 2048)),
    (32_768, KvType.F16, 1, 512),
    (32_768, KvType.Q8_0, 4, 2048),
)
_MORE_BYTES, _MORE_SHARE = 10_000_000, 0.02  # what a plan may be above
_ITEMS = ("weights_bytes", "kv_bytes", "compute_bytes", "output_bytes")


def prove_memory(sizes: Sequence[str], *, is_vulkan: bool) -> int:
    """Print the table; return how many devices have too little, or too much, in a plan."""
    sys.stdout.write(f"{'size':4} {'case':24} {'device':16} {'predicted':>14} {'reported':>14} {'difference':>12}\n")
    settings, wrong = read_settings(), 0
    with tempfile.TemporaryDirectory() as directory:
        for size in sizes:
            path = Path(directory) / f"{size}.gguf"
            write_shape(size, QUANTIZATION, path)
            for count in (0,) if is_vulkan else (1, 2):
                with servers(count) as addresses:
                    machine = inspect_machine(settings, rpc_servers=addresses)
                    wrong += sum(_prove(size, path, machine, request) for request in _requests(size))
            path.unlink()
    sys.stdout.write(f"{wrong} wrong\n")
    return wrong


def _requests(size: str) -> Iterator[PlanRequest]:
    layers = SHAPES[size].layers
    places = [(layers + 1, 0), (layers, 0), (layers * 2 // 3, 0), (2, 0), (1, 0)]
    places += [(layers + 1, 10), (layers + 1, 99), (layers // 2, 99)] if SHAPES[size].experts else []
    for (gpu_layers, experts), (context, kv_type, sequences, micro_batch) in product(places, LOADS):
        yield PlanRequest(context, kv_type, sequences, micro_batch, gpu_layers, experts or None)


def _prove(size: str, path: Path, machine: Machine, request: PlanRequest) -> int:
    shape = _shape(path)
    plan = plan_with_drafter(shape, 0, machine, request)
    found = probe(load_parameters(os.fsencode(path), plan.settings, machine), timeout_seconds=120)
    if isinstance(found, ProbeFailure):
        sys.stdout.write(f"{size:4} {_describe(request)} failed: {found.reason}\n")
        return 1
    return _compare(size, request, plan, confirmed_ledger(plan, machine, found).devices)


def _compare(size: str, request: PlanRequest, plan: Plan, theirs: Sequence[object]) -> int:
    wrong = 0
    for ours, reported in zip(plan.ledger.devices, theirs, strict=True):
        mine, its = (sum(getattr(device, item) for item in _ITEMS) for device in (ours, reported))
        is_wrong = not 0 <= mine - its <= max(_MORE_BYTES, _MORE_SHARE * its)
        wrong += is_wrong
        mark = " wrong" if is_wrong else ""
        sys.stdout.write(
            f"{size:4} {_describe(request)} {ours.name[:16]:16} {mine:14} {its:14} {mine - its:12}{mark}\n"
        )
    return wrong


def _describe(request: PlanRequest) -> str:
    """Return the layers, the experts on the CPU, the context, the cache, the sequences, and the micro-batch."""
    experts = f"/{request.cpu_expert_layers}" if request.cpu_expert_layers else ""
    kv_type = "" if request.kv_type is None else request.kv_type.value
    words = f"{request.gpu_layers}{experts} {request.context} {kv_type} x{request.sequences} {request.micro_batch}"
    return f"{words:24}"


def _shape(path: Path) -> ModelShape:
    return shape_of_file(Library(read_settings()).resolve(str(path)))
