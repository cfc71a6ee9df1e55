"""This machine as one value: every detector asked once."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from g4run.hardware.apple import find_mac_card, inspect_mac_memory, inspect_mac_processors, read_sysctl
from g4run.hardware.bandwidth import find_bandwidth
from g4run.hardware.build import describe_build
from g4run.hardware.gpus.gpus import Card, GgmlDevice, backend_name, merge_gpus
from g4run.hardware.gpus.nvidia import find_nvidia_cards
from g4run.hardware.gpus.pci_cards import find_pci_cards
from g4run.hardware.gpus.visibility import choose_cards, drop_hidden
from g4run.hardware.machine import Bandwidth, Disk, Machine
from g4run.hardware.memory import Memory, inspect_memory
from g4run.hardware.memory_processes import find_memory_processes
from g4run.hardware.processors import Processors, inspect_processors
from g4run.hardware.system import System, local_system
from g4run.hardware.windows import complete_windows_processors, find_windows_cards
from g4run.settings import Settings

FindBandwidth: TypeAlias = Callable[[Processors, Memory], Bandwidth]


def inspect_machine(
    settings: Settings,
    devices: Sequence[GgmlDevice] | None,
    *,
    backends: Sequence[str] = (),
    measure: bool = False,
) -> Machine:
    """The machine that this process runs on.

    `devices` and `backends` are what the engine lists, None where it was not asked: then no GPU counts as usable, and
    there is no advice. `measure` takes the memory's bandwidth anew.
    """
    find = partial(find_bandwidth, settings.data_directory / "hardware.json", measure=measure)
    directories = (settings.data_directory, settings.hub_cache)
    return inspect_system(local_system(), devices, backends=backends, directories=directories, find_bandwidth=find)


def inspect_system(
    system: System,
    devices: Sequence[GgmlDevice] | None,
    *,
    backends: Sequence[str] = (),
    directories: Sequence[Path] = (),
    find_bandwidth: FindBandwidth,
) -> Machine:
    """Any machine that can be looked at."""
    processors, memory, cards = _inspect_parts(system)
    bandwidth = find_bandwidth(processors, memory)
    present = _all_backends(devices or (), backends)
    visible = choose_cards(cards, system.environment, present)
    found = drop_hidden(merge_gpus(devices or (), visible, memory, bandwidth), system.environment, present)
    return Machine(
        platform=system.platform,
        processors=processors,
        memory=memory,
        memory_bandwidth=bandwidth,
        gpus=tuple(one.gpu for one in found),
        disks=_find_disks(system, directories),
        build=describe_build([] if devices is None else found, present, system),
        memory_processes=find_memory_processes(system),
    )


def _inspect_parts(system: System) -> tuple[Processors, Memory, tuple[Card, ...]]:
    if system.platform.system == "macOS":
        values = read_sysctl(system)
        memory = inspect_mac_memory(system, values)
        return inspect_mac_processors(values), memory, find_mac_card(system, values, memory)
    memory = inspect_memory(system.root)
    processors = inspect_processors(system.root, system.allowed_processors)
    nvidia = find_nvidia_cards(system, memory)
    if system.platform.system == "Windows":
        return complete_windows_processors(system, processors), memory, (*nvidia, *find_windows_cards(system))
    others = find_pci_cards(system.root, memory, has_nvidia_driver=bool(nvidia))
    return processors, memory, (*nvidia, *others)


def _all_backends(devices: Sequence[GgmlDevice], backends: Sequence[str]) -> tuple[str, ...]:
    """What the build registered, and what its devices are of; CPU and its accelerators aside."""
    names = [backend_name(name) for name in (*backends, *(device.backend for device in devices))]
    return tuple(dict.fromkeys(name for name in names if name not in ("CPU", "BLAS", "AMX", "RPC")))


def _find_disks(system: System, directories: Sequence[Path]) -> tuple[Disk, ...]:
    disks = (system.find_disk(directory) for directory in dict.fromkeys(directories))
    return tuple(disk for disk in disks if disk is not None)
