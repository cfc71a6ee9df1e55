"""This machine as the planner takes it, its GPUs as the engine sees them."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Final

from g4run.engine.amx import AMX
from g4run.engine.devices import inspect_engine
from g4run.hardware.gpus import GgmlDevice
from g4run.hardware.inspection import inspect_machine, inspect_system
from g4run.hardware.machine import Bandwidth, Build, FigureSource, Machine
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors
from g4run.hardware.system import local_system
from g4run.settings import Settings

_AMX_SET: Final = "amx_int8"  # what llama.cpp asks of a processor to use AMX (ggml-cpu/amx/amx.cpp)
_SILENT: Final = "llama.cpp does not say what it can use: it crashes or hangs as it starts, and this shows where"


def inspect_this_machine(settings: Settings, *, measure: bool = False) -> Machine:
    """The machine that this process runs on; `measure` takes the memory's bandwidth anew."""
    return _with_engine(partial(inspect_machine, settings, measure=measure))


def inspect_unmeasured() -> Machine:
    """Return this machine with its memory and GPUs as they are now, which is all that what fits depends on.

    The memory's bandwidth is assumed: measuring it would take half a second.
    """
    return _with_engine(partial(inspect_system, local_system(), find_bandwidth=_assume_bandwidth))


def _with_engine(inspect: Callable[..., Machine]) -> Machine:
    """Inspect the machine with the devices that llama.cpp sees."""
    engine = inspect_engine()
    if not engine.backends:
        return replace(inspect(None), build=Build((), _SILENT, "python -m g4run.engine.devices"))
    machine = inspect([GgmlDevice(**asdict(device)) for device in engine.devices], backends=engine.backends)
    return machine if AMX in engine.layouts else without_amx(machine)


def without_amx(machine: Machine) -> Machine:
    """A machine of which llama.cpp leaves AMX alone: its build lacks it, or crashes with it."""
    processors = machine.processors
    used = tuple(name for name in processors.instruction_sets if name != _AMX_SET)
    return replace(machine, processors=replace(processors, instruction_sets=used))


def inspect_without_gpus() -> Machine:
    """The machine as a model sees it that is so small that it needs nothing else: no GPU, nothing measured."""
    return replace(inspect_system(local_system(), None, find_bandwidth=_assume_bandwidth), gpus=())


def _assume_bandwidth(_processors: Processors, _memory: Memory) -> Bandwidth:
    return Bandwidth(1.0, FigureSource.ASSUMED)
