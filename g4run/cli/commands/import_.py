"""`g4run import`: use a GGUF file that is already on this machine."""

from typing import Annotated

import typer

from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.errors import UsageError
from g4run.settings import read_settings


@command
def import_model(
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="GGUF file, or the first part of a split one.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name for the model. [default: from the file]")
    ] = None,
    as_json: Json = False,
    *,
    output: Output,
) -> None:
    """Use a GGUF file that is already on this machine.

    Gives the file a name, without copying it. Without PATH, lists the files of LM Studio, Ollama, and the Hugging Face
    cache, with the command that imports each.
    """
    if path is None:
        if name is not None:
            raise UsageError("--name needs a path", f"g4run import PATH --name {name}")
        _list_found(as_json, output)
    else:
        import_path(path, name, as_json, output)


def _list_found(as_json: bool, output: Output) -> None:
    from g4run.cli.views.store import found_value, render_found
    from g4run.models.external.search import search_external

    found = search_external(read_settings())
    output.write_result(found_value(found), render_found(found), as_json=as_json)


def import_path(path: str, name: str | None, as_json: bool, output: Output) -> None:
    """Check a file and give it a name."""
    from g4run.cli.terminal.status_line import HashProgress
    from g4run.cli.views.pull import record_value
    from g4run.models.import_model import import_file
    from g4run.models.library import expand_path
    from g4run.models.store.store import Store

    with HashProgress(output.notes, "reading") as progress:
        record = import_file(Store(read_settings()), expand_path(path).absolute(), name, on_progress=progress.update)
    text = f"{record.name} is ready, its file stays where it is: g4run chat {record.name}\n"
    output.write_result(record_value(record), text, as_json=as_json)
