"""`g4run hardware`: this machine, and what the installed llama.cpp can use of it."""

from typing import Annotated

import typer

from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.settings import read_settings


@command
def hardware(
    measure: Annotated[bool, typer.Option("--measure", help="Measure the memory bandwidth again.")] = False,
    as_json: Json = False,
    *,
    output: Output,
) -> None:
    """Show this machine's processors, memory, GPUs, and disks.

    Also shows which of them the installed llama.cpp can use, which programs use memory, and how to enable a GPU that
    is not used.
    """
    from g4run.cli.views.hardware import render_machine
    from g4run.cli.views.tables import line_width
    from g4run.hardware.inspection import inspect_machine
    from g4run.hardware.machine_json import machine_value

    machine = inspect_machine(read_settings(), measure=measure, asks_always=True)
    if as_json:
        output.write_json(machine_value(machine))
    else:
        output.answer.write(render_machine(machine, line_width(output.answer)))
