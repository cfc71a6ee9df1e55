"""Declare commands as Typer takes them: parsing a command line gives a Task, which runs later."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Annotated

import typer

from g4run.cli.output import Task

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, errors included.")]


def command(function: Callable[..., int | None]) -> Callable[..., Task]:
    """Turn a function with a parameter `output` into one without it that returns a Task; None is exit code 0.

    A parameter whose type is a dataclass becomes one option per field. Typer reads parameters with inspect.signature
    (typer/utils.py), which honors `__signature__`.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def parsed(*positional: object, **given: object) -> Task:
        for name, parameter in signature.parameters.items():
            group = parameter.annotation
            if isinstance(group, type) and is_dataclass(group):
                given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        return lambda output: function(*positional, **given, output=output) or 0

    parsed.__signature__ = signature.replace(parameters=[*_declare(signature)])  # type: ignore[attr-defined] # PEP 362
    return parsed


def _declare(signature: inspect.Signature) -> Iterator[inspect.Parameter]:
    """Yield the parameters that Typer declares as arguments and options."""
    kind = inspect.Parameter.KEYWORD_ONLY
    for name, parameter in signature.parameters.items():
        if is_dataclass(parameter.annotation):
            for field in fields(parameter.annotation):
                yield inspect.Parameter(field.name, kind, default=field.default, annotation=field.type)
        elif name != "output":
            yield parameter.replace(kind=kind)
