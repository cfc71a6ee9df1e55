"""`g4run rm`: remove models and the files that nothing else needs."""

from typing import Annotated

import typer

from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.errors import UsageError
from g4run.settings import read_settings


@command
def remove(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Model names, as in `g4run list`.")
    ] = None,
    as_json: Json = False,
    *,
    output: Output,
) -> None:
    """Remove models, and the files that nothing else needs.

    Keeps files that another model, program, or revision uses, and files that were there before.
    """
    from g4run.cli.views.json_values import json_value
    from g4run.cli.views.store import render_removal
    from g4run.models.store.removal import remove as remove_from_store
    from g4run.models.store.store import Store

    if not names:
        raise UsageError("no name was given", "g4run rm NAME")
    removals = remove_from_store(Store(read_settings()), names)
    text = "".join(render_removal(removal) for removal in removals)
    output.write_result({"removed": json_value(removals)}, text, as_json=as_json)
