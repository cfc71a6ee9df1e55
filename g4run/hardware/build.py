"""What the installed llama.cpp can use of this machine, and what to type where it leaves a GPU idle."""

from collections.abc import Sequence
from typing import Final

from g4run.hardware.gpus.gpus import FoundGpu, Vendor
from g4run.hardware.machine import Build, GpuKind
from g4run.hardware.system import ENGINE_PACKAGE, System

# The backends that compute on a vendor's cards; the first is the one to build. Vulkan needs no more than the driver,
# and generates faster than ROCm on the cards that were measured.
_BACKENDS: Final = {
    Vendor.NVIDIA: ("CUDA", "Vulkan"),
    Vendor.AMD: ("Vulkan", "ROCm"),
    Vendor.INTEL: ("Vulkan", "SYCL"),
    Vendor.APPLE: ("Metal",),
}


def describe_build(found: Sequence[FoundGpu], backends: Sequence[str], system: System) -> Build:
    """The backends, and advice about the first GPU worth using that none of them uses.

    Graphics inside a processor read main memory no faster than the processor does: not worth building anew for.
    """
    names = tuple(dict.fromkeys(("CPU", *backends)))
    idle = [one for one in found if one.gpu.backend is None and one.gpu.kind is not GpuKind.INTEGRATED]
    if not idle:
        return Build(names)
    return _advise(idle[0], names, system)


def rebuild_command(backend: str, system: System) -> str:
    """The command that builds the engine anew with a backend; in PowerShell's words on Windows."""
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
