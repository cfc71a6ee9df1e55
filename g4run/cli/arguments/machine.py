"""The options of `plan` and `recommend` that select or change the machine."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from g4run.errors import UsageError
from g4run.units import parse_bytes

if TYPE_CHECKING:
    from g4run.hardware.machine import Machine
    from g4run.settings import Settings

_MAX_CORES: Final = 512  # GGML_MAX_N_THREADS, ggml.h:225

_MAX_FILE_BYTES: Final = 1 << 20  # a saved machine has about 3,000; a device or a log may never end

_HINT: Final = "g4run hardware --json > machine.json"  # not the file you typed: it may be something else

GpuName = Annotated[
    str | None, typer.Option("--gpu", metavar="NAME", help='Assume this GPU, such as "RTX 4090"; "none" for no GPU.')
]
Vram = Annotated[str | None, typer.Option(metavar="SIZE", help="Assume this much GPU memory, such as 12GB.")]
Ram = Annotated[str | None, typer.Option(metavar="SIZE", help="Assume this much main memory, such as 32GB.")]
Cores = Annotated[int | None, typer.Option(metavar="COUNT", help="Assume this many physical CPU cores.")]
MarginSize = Annotated[
    str | None,
    typer.Option("--margin", metavar="SIZE", help="Leave this much memory free on each device, such as 1GB or 5%."),
]
MachineFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Use the machine in this file, saved with `g4run hardware --json`.")
]


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """The machine to plan for: this one or a saved one, and the changes to it, as typed."""

    file: Path | None = None
    gpu: str | None = None
    vram: str | None = None
    ram: str | None = None
    cores: int | None = None


def resolve_machine(options: MachineOptions, settings: "Settings") -> "Machine":
    """Return the machine to plan for. Raises UsageError if the file does not describe one."""
    from msgspec.structs import replace

    from g4run.hardware.gpus.gpu_table import find_gpu
    from g4run.hardware.inspection import inspect_machine
    from g4run.planner.hypothetical_machine import alter_machine

    if options.cores is not None and not 1 <= options.cores <= _MAX_CORES:
        raise UsageError(f"--cores must be between 1 and {_MAX_CORES}, not {options.cores}", "--cores 8")
    machine = alter_machine(
        inspect_machine(settings) if options.file is None else read_machine(options.file),
        gpu=options.gpu,
        vram_bytes=None if options.vram is None else parse_memory("--vram", options.vram),
        ram_bytes=None if options.ram is None else parse_memory("--ram", options.ram),
        cores=options.cores,
        find_gpu=find_gpu,
    )
    return replace(machine, margin=settings.margin)


def parse_memory(option: str, text: str) -> int:
    """Parse an amount of memory into bytes. Raises UsageError."""
    try:
        return parse_bytes(text)
    except ValueError:
        raise UsageError(f"{option} must be an amount of memory, not {text!r}", f"{option} 12GB") from None


def read_machine(path: Path) -> "Machine":
    """Read a machine saved with `g4run hardware --json`. Raises UsageError that names what is missing."""
    from g4run.hardware.machine_json import parse_machine

    try:
        value: object = json.loads(_read_limited(path).decode("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}", _HINT) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {str(error)[:1].lower()}{str(error)[1:]}", _HINT) from None
    try:
        return parse_machine(value)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from None


def _read_limited(path: Path) -> bytes:
    """Read a file of at most 1 MiB. Raises OSError and UsageError."""
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise UsageError(f"{path} is too large for a saved machine", _HINT)
    return content
