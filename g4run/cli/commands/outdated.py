"""`g4run outdated`: which models have newer files on the Hub."""

from typing import Annotated

import typer

from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.settings import read_settings


@command
def outdated(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Model names. [default: all]")] = None,
    as_json: Json = False,
    *,
    output: Output,
) -> None:
    """Check the Hub for newer files of your models."""
    from g4run.cli.views.tables import line_width
    from g4run.cli.views.verify import outdated_value, render_outdated
    from g4run.models.hub.client import Hub
    from g4run.models.library import Library
    from g4run.models.pull.outdated import find_outdated

    settings = read_settings()
    found = find_outdated(Library(settings), Hub(settings), names or ())
    output.write_result(outdated_value(found), render_outdated(found, line_width(output.answer)), as_json=as_json)
    if not as_json and any(model.is_outdated for model in found):
        output.notes.write("g4run pull --all updates them\n")
