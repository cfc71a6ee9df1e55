"""`g4run cp`: give a model a second name."""

from functools import partial
from typing import Annotated

import typer

from g4run.cli.arguments.json_output import Json
from g4run.cli.output import Output, Task
from g4run.settings import read_settings


def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Model name, as in `g4run list`.")],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="The new name.")],
    as_json: Json = False,
) -> Task:
    """Give a model a second name for the same files."""
    return partial(copy_name, source, destination, as_json)


def copy_name(source: str, destination: str, as_json: bool, output: Output) -> int:
    """Add the name."""
    from g4run.models.copy_name import copy_name as copy_in_store
    from g4run.models.store.store import Store

    record = copy_in_store(Store(read_settings()), source, destination)
    if as_json:
        output.write_json({"name": record.name, "id": record.id, "source": source})
    else:
        output.answer.write(f"{record.name} now names the same files as {source}\n")
    return 0
