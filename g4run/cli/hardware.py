"""`g4run hardware`: what this machine has, and what the installed llama.cpp can use of it."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from g4run.cli.output import Output, Task
from g4run.settings import Settings, read_settings

if TYPE_CHECKING:
    from g4run.hardware.machine import Machine

_SILENT: Final = "llama.cpp does not say what it can use: it crashes or hangs as it starts, and this shows where"


def hardware(
    measure: Annotated[bool, typer.Option("--measure", help="Measure the memory's bandwidth anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, failures included.")] = False,
) -> Task:
    """Show what this machine has: processors, memory, GPUs, disks.

    Says what the installed llama.cpp can use of it, who else holds memory, and what to type where a GPU lies idle.
    """
    return partial(execute, measure, as_json)


def execute(measure: bool, as_json: bool, output: Output) -> int:
    """Look, and print."""
    from g4run.cli.hardware_views import render_machine
    from g4run.cli.tables import line_width
    from g4run.hardware.machine_json import machine_value

    machine = inspect_this_machine(read_settings(), measure=measure)
    if as_json:
        output.write_json(machine_value(machine))
    else:
        output.answer.write(render_machine(machine, line_width(output.answer)))
    return 0


def inspect_this_machine(settings: Settings, *, measure: bool = False) -> "Machine":
    """The machine that this process runs on, its GPUs as the engine sees them."""
    from g4run.engine.devices import inspect_engine
    from g4run.hardware.gpus import GgmlDevice
    from g4run.hardware.inspection import inspect_machine
    from g4run.hardware.machine import Build

    engine = inspect_engine()
    devices = [
        GgmlDevice(
            name=device.name,
            description=device.description,
            backend=device.backend,
            kind=device.kind,
            total_bytes=device.total_bytes,
            free_bytes=device.free_bytes,
            pci_address=device.pci_address,
        )
        for device in engine.devices
    ]
    if engine.backends:
        return inspect_machine(settings, devices, backends=engine.backends, measure=measure)
    machine = inspect_machine(settings, None, measure=measure)
    return replace(machine, build=Build((), _SILENT, "python -m g4run.engine.devices"))
