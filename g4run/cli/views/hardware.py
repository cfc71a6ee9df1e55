"""Render the report of `g4run hardware`."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from g4run.cli.views.tables import capitalize, render_pairs, render_paragraph
from g4run.units import render_bytes, render_plural

if TYPE_CHECKING:
    from g4run.hardware.machine import Bandwidth, Gpu, GpuProcess, Machine, Platform
    from g4run.hardware.processors import Processors

_USUAL_WIDTH: Final = 80
_NAME_WIDTH: Final = 15  # of the longest name, so that all sections align
_KINDS: Final = {"discrete": "dedicated", "integrated": "shared with the CPU", "unified": "unified with the CPU"}


def render_machine(machine: "Machine", width: int | None) -> str:
    """Render all sections, wrapped to `width` or 80 columns."""
    pairs = [("system", _render_platform(machine.platform)), ("llama.cpp", _render_backends(machine))]
    sections = [_section("", pairs, width), _section("Processors", _processor_pairs(machine.processors), width)]
    sections.append(_section("Memory", _memory_pairs(machine), width))
    sections += [_section(f"GPU {gpu.name}", _gpu_pairs(gpu), width) for gpu in machine.gpus]
    if not machine.gpus:
        sections.append("GPU\n  none found\n")
    disks = [
        (f"{render_bytes(disk.free_bytes)} free", f"of {render_bytes(disk.total_bytes)}: {disk.path}")
        for disk in machine.disks
    ]
    sections.append(_section("Disks", disks, width))
    return "\n".join(sections) + render_advice(machine, width)


def _section(title: str, pairs: Sequence[tuple[str, str]], width: int | None) -> str:
    """Render names and values; long values wrap."""
    room = max(20, (width or _USUAL_WIDTH) - _NAME_WIDTH - 4)
    lines: list[tuple[str, str]] = []
    for name, value in pairs:
        first, *more = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
        lines += [(f"{name:<{_NAME_WIDTH}}", first), *(("", line) for line in more)]
    return (f"{title}\n" if title else "") + render_pairs(lines)


def _render_platform(platform: "Platform") -> str:
    places = [(platform.is_wsl, "in WSL"), (platform.is_container, "in a container")]
    return ", ".join([f"{platform.system} on {platform.architecture}", *(text for is_so, text in places if is_so)])


def _render_backends(machine: "Machine") -> str:
    return f"built for {', '.join(machine.build.backends)}" if machine.build.backends else "does not respond"


def _processor_pairs(processors: "Processors") -> Sequence[tuple[str, str]]:
    pairs = [("model", processors.model or "unknown"), ("cores", _render_cores(processors))]
    if processors.quota is not None:
        pairs.append(("quota", f"{processors.quota:g} processors (container limit)"))
    pairs.append(("threads to use", str(processors.threads)))
    return [*pairs, ("instructions", " ".join(processors.instruction_sets) or "unknown")]


def _render_cores(processors: "Processors") -> str:
    """Return text such as "8 of 16 (CPU affinity), 4 performance cores; 16 logical"."""
    text = str(processors.physical_cores)
    if processors.installed_cores > processors.physical_cores:
        text += f" of {processors.installed_cores} (CPU affinity)"
    if processors.performance_cores is not None:
        text += f", {render_plural(processors.performance_cores, 'performance core')}"
    return f"{text}; {processors.logical_processors} logical" if processors.logical_processors else text


def _memory_pairs(machine: "Machine") -> Sequence[tuple[str, str]]:
    pairs = [("total", render_bytes(machine.memory.total_bytes))]
    if machine.memory.limit_bytes is not None:
        pairs.append(("limit", f"{render_bytes(machine.memory.limit_bytes)} (container limit)"))
    pairs.append(("available", f"{render_bytes(machine.memory.available_bytes)} (includes reclaimable file cache)"))
    pairs.append(("bandwidth", _render_bandwidth(machine.memory_bandwidth)))
    return [*pairs, *_process_pairs(machine.memory_processes)]


def _render_bandwidth(bandwidth: "Bandwidth") -> str:
    source = {"measured": "measured here", "nominal": "nominal, unconfirmed", "assumed": "assumed"}[
        bandwidth.source.value
    ]
    busy = " while other programs were busy" if bandwidth.was_busy else ""
    return f"{bandwidth.bytes_per_second / 1e9:.0f} GB/s, {source}{busy}"


def _gpu_pairs(gpu: "Gpu") -> Sequence[tuple[str, str]]:
    pairs = [
        ("backend", gpu.backend or "none: the installed llama.cpp cannot use it"),
        ("memory", f"{render_bytes(gpu.total_bytes)}, {_KINDS[gpu.kind.value]}"),
        ("free", render_bytes(gpu.free_bytes)),
        ("bandwidth", _render_bandwidth(gpu.bandwidth) if gpu.bandwidth else "unknown"),
    ]
    if gpu.half_precision_flops is not None:
        pairs.append(("half precision", f"{gpu.half_precision_flops / 1e12:.0f} TFLOPS, nominal, unconfirmed"))
    return [*pairs, *_process_pairs(gpu.processes)]


def _process_pairs(processes: "Sequence[GpuProcess]") -> Sequence[tuple[str, str]]:
    """Return each process with its memory; the first line has the label."""
    names = ["used by", *[""] * len(processes)]
    return [
        (name, f"{process.name} {render_bytes(process.used_bytes)} (process {process.pid})")
        for name, process in zip(names, processes, strict=False)
    ]


def render_advice(machine: "Machine", width: int | None) -> str:
    """Return the advice, wrapped, and below it the command on one line for copying."""
    if not machine.build.advice:
        return ""
    advice = f"{capitalize(machine.build.advice)}."
    command = f"  {machine.build.command}\n" if machine.build.command else ""
    return f"\n{render_paragraph(advice, width or _USUAL_WIDTH)}{command}"


def render_assumptions(machine: "Machine", width: int | None) -> str:
    """Say what was assumed of another machine; empty for a real one."""
    text = f"Assumed: {'; '.join(machine.assumptions)}."
    return f"\n{render_paragraph(text, width or _USUAL_WIDTH)}" if machine.assumptions else ""


def render_busy_note(machine: "Machine", width: int | None) -> str:
    """Say that speeds rest on a measurement that other programs disturbed; empty if they do not."""
    if not machine.memory_bandwidth.was_busy:
        return ""
    return "\n" + render_paragraph(
        "The memory bandwidth was measured while other programs were busy, so speeds may be too low; "
        "g4run hardware --measure measures it again.",
        width or _USUAL_WIDTH,
    )
