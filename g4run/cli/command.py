"""Declare commands as Typer takes them: parsing a command line gives a Task, which runs later."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated

import typer

from g4run.cli.output import Task

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, errors included.")]


def command(function: Callable[..., int | None]) -> Callable[..., Task]:
    """Turn a function with a parameter `output` into one without it that returns a Task; None is exit code 0.

    Typer reads parameters with inspect.signature (typer/utils.py), which honors `__signature__`.
    """

    @wraps(function)
    def parsed(*given: object, **named: object) -> Task:
        return lambda output: function(*given, **named, output=output) or 0

    signature = inspect.signature(function)
    others = [parameter for name, parameter in signature.parameters.items() if name != "output"]
    parsed.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined] # PEP 362
    return parsed
