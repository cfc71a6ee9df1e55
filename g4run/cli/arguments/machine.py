"""The options of `plan` and `recommend` that select or change the machine."""

import json
from collections.abc import Sequence
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

MarginSize = Annotated[
    str | None,
    typer.Option("--margin", metavar="SIZE", help="Leave this much memory free on each device, such as 1GB or 5%."),
]


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """The machine to plan for: this one, a saved one or a typical one, and the changes to it, as typed."""

    gpu: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help='Assume this GPU, such as "RTX 4090" or "2x RTX 3090"; repeat for more; "none" for none.',
        ),
    ] = None
    vram: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Assume this much memory of each GPU, such as 12GB.")
    ] = None
    ram: Annotated[str | None, typer.Option(metavar="SIZE", help="Assume this much main memory, such as 32GB.")] = None
    cores: Annotated[int | None, typer.Option(metavar="COUNT", help="Assume this many physical CPU cores.")] = None
    bandwidth: Annotated[
        str | None, typer.Option(metavar="RATE", help="Assume this bandwidth of main memory, such as 60GB/s.")
    ] = None
    like: Annotated[
        str | None, typer.Option(metavar="NAME", help='Assume a typical machine, such as "Raspberry Pi 5 8GB".')
    ] = None
    file: Annotated[
        Path | None,
        typer.Option(
            "--machine", metavar="FILE", help="Use the machine in this file, saved with `g4run hardware --json`."
        ),
    ] = None


def resolve_machine(options: MachineOptions, settings: "Settings", rpc_servers: Sequence[str] = ()) -> "Machine":
    """Return the machine to plan for, with the margin of the settings and the devices of RPC servers.

    Raises UsageError if the options or the file do not describe one, and NetworkError if a server does not answer.
    """
    from msgspec.structs import replace

    return replace(_find_machine(options, settings, rpc_servers), margin=settings.margin)


def _find_machine(options: MachineOptions, settings: "Settings", rpc_servers: Sequence[str]) -> "Machine":
    from g4run.hardware.inspection import check_servers, inspect_machine

    if options.cores is not None and not 1 <= options.cores <= _MAX_CORES:
        raise UsageError(f"--cores must be between 1 and {_MAX_CORES}, not {options.cores}", "--cores 8")
    if options == MachineOptions():
        this = inspect_machine(settings, rpc_servers=rpc_servers)
        check_servers(this, rpc_servers)
        return this
    if rpc_servers:
        raise UsageError("--rpc adds to this machine, but the other options describe another one", "omit them or --rpc")
    saved = None if options.file is None else read_machine(options.file)
    if saved is not None and options == MachineOptions(file=options.file):
        return saved
    from g4run.hardware.gpus.gpu_names import split_gpus
    from g4run.runtime.described_machine import Description, describe_machine

    description = Description(
        gpus=tuple(name for text in options.gpu or () for name in split_gpus(text)),
        vram_bytes=None if options.vram is None else parse_memory("--vram", options.vram),
        ram_bytes=None if options.ram is None else parse_memory("--ram", options.ram),
        cores=options.cores,
        bandwidth=None if options.bandwidth is None else _parse_bandwidth(options.bandwidth),
        like=options.like,
        saved=saved,
    )
    return describe_machine(description, settings)


def parse_memory(option: str, text: str) -> int:
    """Parse an amount of memory into bytes. Raises UsageError."""
    try:
        return parse_bytes(text)
    except ValueError:
        raise UsageError(f"{option} must be an amount of memory, not {text!r}", f"{option} 12GB") from None


def _parse_bandwidth(text: str) -> int:
    try:
        return parse_bytes(text.removesuffix("/s"))
    except ValueError:
        raise UsageError(f"--bandwidth must be an amount per second, not {text!r}", "--bandwidth 60GB/s") from None


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
