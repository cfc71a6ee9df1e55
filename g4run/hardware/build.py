"""Describe the installed llama.cpp's backends, and how to rebuild it for a GPU that it cannot use."""

from collections.abc import Sequence
from typing import Final

from g4run.hardware.gpus.gpus import FoundGpu, Vendor
from g4run.hardware.machine import Build, GpuKind
from g4run.hardware.system import ENGINE_PACKAGE, System

# The backends for a vendor's cards; advice names the first. Vulkan needs nothing but the driver, and generates faster
# than ROCm on the cards that were measured.
_BACKENDS: Final = {
    Vendor.NVIDIA: ("CUDA", "Vulkan"),
    Vendor.AMD: ("Vulkan", "ROCm"),
    Vendor.INTEL: ("Vulkan", "SYCL"),
    Vendor.APPLE: ("Metal",),
}


def describe_build(found: Sequence[FoundGpu], backends: Sequence[str], system: System) -> Build:
    """Return the backends, and advice for the first GPU that none of them uses.

    Integrated graphics are not worth a rebuild: they read main memory no faster than the CPU does.
    """
    names = tuple(dict.fromkeys(("CPU", *backends)))
    idle = [one for one in found if one.gpu.backend is None and one.gpu.kind is not GpuKind.INTEGRATED]
    if not idle:
        return Build(names)
    return _advise(idle[0], names, system)


def rebuild_command(backend: str, system: System) -> str:
    """Return the command that rebuilds llama.cpp with a backend; for PowerShell on Windows."""
    version = system.engine_version()  # pinned: each release changes the layout of llama.cpp's structs
    requirement = f"{ENGINE_PACKAGE}=={version}" if version else ENGINE_PACKAGE
    install = f"pip install --force-reinstall --no-cache-dir --no-deps {requirement}"
    flag = f"-DGGML_{backend.upper()}=on"
    if system.platform.system == "Windows":
        return f'$env:CMAKE_ARGS="{flag}"; {install}'
    return f'CMAKE_ARGS="{flag}" {install}'


def _advise(idle: FoundGpu, backends: tuple[str, ...], system: System) -> Build:
    name, card = idle.gpu.name, idle.card
    if card is None or not card.has_driver:
        return Build(backends, f"no driver is loaded for {name}, so nothing can compute on it")
    fitting = _BACKENDS[card.vendor]
    present = [backend for backend in fitting if backend in backends]
    if present:
        return Build(backends, f"the installed llama.cpp has {present[0]}, but does not see {name}: check its driver")
    advice = f"the installed llama.cpp cannot use {name}: it was built without {fitting[0]}"
    return Build(backends, advice, rebuild_command(fitting[0], system))
