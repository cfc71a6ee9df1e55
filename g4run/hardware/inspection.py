"""Inspect a machine: the engine's device list, and the results of all detectors."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from msgspec.structs import replace

from g4run.engine.llama.devices import EngineReport, inspect_engine
from g4run.engine.llama.library import is_built_for_cpu_alone
from g4run.errors import NetworkError, UsageError
from g4run.hardware.apple import find_mac_card, inspect_mac_memory, inspect_mac_processors, read_sysctl
from g4run.hardware.build import describe_build, rebuild_command
from g4run.hardware.gpus.gpus import Card, backend_name, drop_software, merge_gpus
from g4run.hardware.gpus.nvidia import find_nvidia_cards
from g4run.hardware.gpus.pci_cards import find_pci_cards
from g4run.hardware.gpus.visibility import choose_cards, drop_hidden
from g4run.hardware.machine import Bandwidth, Build, Disk, FigureSource, GpuProcess, Machine
from g4run.hardware.memory import Memory, inspect_memory
from g4run.hardware.memory_processes import find_memory_processes
from g4run.hardware.processors import Processors, inspect_processors
from g4run.hardware.system import System, local_system
from g4run.settings import Settings

AskEngine: TypeAlias = Callable[[Processors], EngineReport]
FindBandwidth: TypeAlias = Callable[[Processors, Memory], Bandwidth]
FindProcesses: TypeAlias = Callable[[System], tuple[GpuProcess, ...]]

_ASSUMED: Final = Bandwidth(1.0, FigureSource.ASSUMED)
_SILENT: Final = Build(
    (),
    "llama.cpp crashes or hangs as it starts, so its GPUs are unknown; this command shows where",
    "python -m g4run.engine.probe.device_query",
)


def inspect_machine(
    settings: Settings, *, measure: bool = False, asks_always: bool = False, rpc_servers: Sequence[str] = ()
) -> Machine:
    """Inspect the machine that this process runs on; `measure` measures the memory bandwidth again.

    `asks_always` queries the engine even if the answer is known, to show whether it starts. The devices of the RPC
    servers that answer count as GPUs; raises UsageError if the build has no RPC.
    """
    from g4run.hardware.bandwidth import find_bandwidth  # noqa: PLC0415 - takes 4 ms, and `g4run list` needs none

    find = partial(find_bandwidth, settings.data_directory / "hardware.json", measure=measure)
    directories = (settings.data_directory, settings.hub_cache)
    ask = partial(_ask_engine, rpc_servers=rpc_servers) if asks_always or rpc_servers else _ask_if_needed
    machine = inspect_system(local_system(), ask, directories=directories, find_bandwidth=find)
    return replace(machine, margin=settings.margin)


def inspect_unmeasured(settings: Settings) -> Machine:
    """Inspect this machine for what fits alone, without its bandwidth, which takes half a second, and its processes."""
    machine = inspect_system(
        local_system(), _ask_if_needed, find_bandwidth=lambda *_: _ASSUMED, find_processes=lambda _: ()
    )
    return replace(machine, margin=settings.margin)


def inspect_without_gpus() -> Machine:
    """Inspect this machine for a tiny model, which needs neither GPU nor AMX, without querying the engine."""
    system = local_system()
    processors, memory = _inspect_processors_and_memory(system)
    return Machine(system.platform, processors.without_amx(), memory, _ASSUMED)


def _ask_engine(_processors: Processors, rpc_servers: Sequence[str]) -> EngineReport:
    report = inspect_engine(rpc_servers=rpc_servers)
    if rpc_servers and report.backends and "RPC" not in report.backends:
        command = rebuild_command("RPC", local_system())
        raise UsageError("--rpc needs a llama.cpp that was built with RPC, and the installed one was not", command)
    return report


def check_servers(machine: Machine, rpc_servers: Sequence[str]) -> None:
    """Raise NetworkError if an RPC server did not answer when the machine was inspected."""
    for server in rpc_servers:
        if server not in machine.rpc_servers:
            host, _, port = server.rpartition(":")
            hint = f"start it there: ggml-rpc-server -H {host} -p {port}"
            raise NetworkError(f"the RPC server at {server} does not answer", hint)


def _ask_if_needed(processors: Processors) -> EngineReport:
    """Query the engine unless it is built for the CPU alone and the processor has no AMX."""
    if is_built_for_cpu_alone() and not processors.may_use_amx:
        return EngineReport(("CPU",))
    return inspect_engine()


def inspect_system(
    system: System,
    ask_engine: AskEngine,
    *,
    directories: Sequence[Path] = (),
    find_bandwidth: FindBandwidth,
    find_processes: FindProcesses = find_memory_processes,
) -> Machine:
    """Inspect any machine; if the engine does not answer, no GPU is usable."""
    processors, memory = _inspect_processors_and_memory(system)
    engine = ask_engine(processors)
    bandwidth = find_bandwidth(processors, memory)
    present = _gpu_backends(engine)
    devices = drop_software(engine.devices, system.environment)
    visible = choose_cards(_find_cards(system, memory), system.environment, present)
    found = drop_hidden(merge_gpus(devices, visible, memory, bandwidth), system.environment, present)
    return Machine(
        platform=system.platform,
        processors=processors if engine.has_amx else processors.without_amx(),
        memory=memory,
        memory_bandwidth=bandwidth,
        gpus=tuple(one.gpu for one in found),
        disks=_find_disks(system, directories),
        build=describe_build(found, present, system) if engine.backends else _SILENT,
        memory_processes=find_processes(system),
    )


def _inspect_processors_and_memory(system: System) -> tuple[Processors, Memory]:
    if system.platform.system == "macOS":
        values = read_sysctl(system)
        return inspect_mac_processors(values), inspect_mac_memory(system, values)
    processors = inspect_processors(system.root, system.allowed_processors)
    if system.platform.system == "Windows":
        from g4run.hardware.windows import complete_windows_processors  # noqa: PLC0415 - imports ctypes, which takes 3 ms

        processors = complete_windows_processors(system, processors)
    return processors, inspect_memory(system.root)


def _find_cards(system: System, memory: Memory) -> tuple[Card, ...]:
    if system.platform.system == "macOS":
        return find_mac_card(system, read_sysctl(system), memory)
    nvidia = find_nvidia_cards(system, memory)
    if system.platform.system == "Windows":
        from g4run.hardware.windows import find_windows_cards  # noqa: PLC0415 - imports ctypes, which takes 3 ms

        return (*nvidia, *find_windows_cards(system))
    return (*nvidia, *find_pci_cards(system.root, memory, has_nvidia_driver=bool(nvidia)))


def _gpu_backends(engine: EngineReport) -> tuple[str, ...]:
    """Return the backends of the build and of its devices, without the CPU and its accelerators."""
    names = [backend_name(name) for name in (*engine.backends, *(device.backend for device in engine.devices))]
    return tuple(dict.fromkeys(name for name in names if name not in ("CPU", "BLAS", "AMX", "RPC")))


def _find_disks(system: System, directories: Sequence[Path]) -> tuple[Disk, ...]:
    disks = (system.find_disk(directory) for directory in dict.fromkeys(directories))
    return tuple(disk for disk in disks if disk is not None)
