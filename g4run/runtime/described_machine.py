"""Build another machine from a description: what it leaves out is typical of such machines, not as here.

Another GPU, amount of memory, or number of cores describes another machine, with as much memory as this one unless
it is given. A chip that is a whole machine, such as Apple's, stands for that machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from msgspec import structs

from g4run.errors import UsageError
from g4run.hardware.gpus.gpu_names import find_named_gpu
from g4run.hardware.inspection import inspect_machine, inspect_unmeasured
from g4run.hardware.machine import Gpu, GpuKind, Machine
from g4run.hardware.typical.machine_table import KnownMachine, find_machine, find_machine_with, typical_machine
from g4run.planner.hypothetical_machine import NO_GPU, alter_machine, assume, idle_machine, machine_like
from g4run.settings import Settings


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of another machine; `gpus` has one name for each GPU, `saved` is a machine that was read."""

    gpus: Sequence[str] = ()
    vram_bytes: int | None = None
    ram_bytes: int | None = None
    cores: int | None = None
    bandwidth: float | None = None
    like: str | None = None
    saved: Machine | None = None


@dataclass(frozen=True, slots=True)
class _Base:
    """A machine to change, where its processors and memory are from, and whether it has the described GPU."""

    machine: Machine
    origin: str
    has_gpu: bool = False


def inspect_here(settings: Settings, *, is_measured: bool) -> Machine:
    """Inspect this machine, with its memory bandwidth if it is needed."""
    return inspect_machine(settings) if is_measured else inspect_unmeasured(settings)


def describe_machine(
    description: Description, settings: Settings, inspect: Callable[..., Machine] = inspect_here
) -> Machine:
    """Build the machine, with its assumptions. Raises UsageError for unknown names."""
    base = _find_base(description, partial(inspect, settings))
    machine = alter_machine(
        base.machine,
        gpus=() if base.has_gpu else description.gpus,
        vram_bytes=description.vram_bytes,
        ram_bytes=description.ram_bytes,
        cores=description.cores,
        bandwidth=description.bandwidth,
        find_gpu=find_named_gpu,
    )
    return assume(machine, base.origin)


def _find_base(description: Description, inspect: Callable[..., Machine]) -> _Base:
    """Return the machine that the description changes."""
    if description.like is not None:
        if description.saved is not None:
            raise UsageError("--like and --machine exclude each other", "use one of them")
        known, memory_bytes = find_machine(description.like)
        return _like(known, description.ram_bytes or memory_bytes)
    if description.saved is not None:
        return _Base(description.saved, "the saved machine")
    gpus = description.gpus
    return (_of_chip(gpus[0], description.ram_bytes) if len(gpus) == 1 else None) or _near_here(description, inspect)


def _like(known: KnownMachine, memory_bytes: int) -> _Base:
    origin = f"a typical {known.name}" if known.is_assumed else known.name
    return _Base(machine_like(known, memory_bytes, find_named_gpu), origin)


def _of_chip(name: str, ram_bytes: int | None) -> _Base | None:
    """Return the machine that a GPU is part of, such as a Mac; None if it is a card."""
    gpu = find_named_gpu(name)
    found = None if gpu is None else find_machine_with(gpu.name, ram_bytes or gpu.total_bytes or None)
    return None if found is None else replace(_like(*found), has_gpu=True)


def _near_here(description: Description, inspect: Callable[..., Machine]) -> _Base:
    """Return this machine, or what is typical of its platform; a Mac takes no cards, so with one it is a PC."""
    has_cards = any(name.lower() != NO_GPU for name in description.gpus)
    is_another = has_cards or description.ram_bytes is not None or description.cores is not None
    here = inspect(is_measured=not is_another and description.bandwidth is None)
    if not is_another:
        return _Base(here, "this machine")
    is_mac = here.platform.system == "macOS"
    memory_bytes = description.ram_bytes or here.memory.usable_bytes
    mac = _of_chip(here.processors.model, memory_bytes) if is_mac and not has_cards else None
    if mac is not None:
        return replace(mac, has_gpu=False)
    base = _like(typical_machine(here.platform, memory_bytes, description.cores), memory_bytes)
    idle = idle_machine(here)
    gpus = tuple(_elsewhere(gpu) for gpu in idle.gpus)
    return replace(base, machine=structs.replace(base.machine, memory=idle.memory, gpus=gpus))


def _elsewhere(gpu: Gpu) -> Gpu:
    """Return a GPU of this machine in another one: without its programs, and in other memory if it shares it."""
    bandwidth = gpu.bandwidth if gpu.kind is GpuKind.DISCRETE else None
    return structs.replace(gpu, bandwidth=bandwidth, processes=())
