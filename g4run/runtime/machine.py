"""This machine as the planner takes it, its GPUs as the engine sees them."""

from dataclasses import asdict, replace
from typing import Final

from g4run.engine.llama.amx import AMX
from g4run.engine.llama.devices import inspect_engine
from g4run.hardware.gpus.gpus import GgmlDevice
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
    engine = inspect_engine()
    devices = [GgmlDevice(**asdict(device)) for device in engine.devices]
    if engine.backends:
        machine = inspect_machine(settings, devices, backends=engine.backends, measure=measure)
        return machine if AMX in engine.layouts else without_amx(machine)
    machine = inspect_machine(settings, None, measure=measure)
    return replace(machine, build=Build((), _SILENT, "python -m g4run.engine.llama.devices"))


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
