"""`g4run outdated`: which models have newer files on the Hub."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from g4run.cli.arguments.json_output import Json
from g4run.cli.output import Output, Task
from g4run.settings import read_settings

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Model names. [default: all]")]


def outdated(names: Names = None, as_json: Json = False) -> Task:
    """Check the Hub for newer files of your models."""
    return partial(show_outdated, tuple(names or ()), as_json)


def show_outdated(names: Sequence[str], as_json: bool, output: Output) -> int:
    """Compare the installed files with those on the Hub."""
    from g4run.cli.views.tables import line_width
    from g4run.cli.views.verify import outdated_value, render_outdated
    from g4run.models.hub.client import Hub
    from g4run.models.library import Library
    from g4run.models.pull.outdated import find_outdated

    settings = read_settings()
    library = Library(settings)
    found = find_outdated(library, Hub(settings), names)
    if as_json:
        output.write_json(outdated_value(found))
    else:
        output.answer.write(render_outdated(found, line_width(output.answer)))
        if any(model.is_outdated for model in found):
            output.notes.write("g4run pull --all updates them\n")
    return 0
