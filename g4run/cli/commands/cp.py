"""`g4run cp`: give a model a second name."""

from typing import Annotated

import typer

from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.settings import read_settings


@command
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Model name, as in `g4run list`.")],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="The new name.")],
    as_json: Json = False,
    *,
    output: Output,
) -> None:
    """Give a model a second name for the same files."""
    from g4run.models.copy_name import copy_name
    from g4run.models.store.store import Store

    record = copy_name(Store(read_settings()), source, destination)
    value = {"name": record.name, "id": record.id, "source": source}
    output.write_result(value, f"{record.name} now names the same files as {source}\n", as_json=as_json)
