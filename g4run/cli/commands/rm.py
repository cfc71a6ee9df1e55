"""`g4run rm` and `g4run cp`: names that go, and names that are added."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from g4run.cli.output import Output, Task
from g4run.errors import UsageError
from g4run.settings import read_settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, errors included.")]


def remove(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Model names, as in `g4run list`.")
    ] = None,
    as_json: Json = False,
) -> Task:
    """Remove models, and the files that nothing else needs.

    Keeps a file that another model, another program, or another revision uses, and one that was there before.
    """
    if not names:
        raise UsageError("there is no name", "g4run rm NAME")
    return partial(remove_names, tuple(names), as_json)


def remove_names(names: Sequence[str], as_json: bool, output: Output) -> int:
    """Remove names and say what that freed."""
    from g4run.cli.views.store import removals_value, render_removal
    from g4run.models.store.removal import remove as remove_from_store
    from g4run.models.store.store import Store

    removals = remove_from_store(Store(read_settings()), names)
    if as_json:
        output.write_json(removals_value(removals))
    else:
        output.answer.write("".join(render_removal(removal) for removal in removals))
    return 0


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
        output.answer.write(f"{record.name} names the same files as {source}\n")
    return 0
