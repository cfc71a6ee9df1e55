"""`g4run prune`: remove unfinished downloads and cached headers."""

from functools import partial
from typing import Annotated

import typer

from g4run.cli.arguments.json_output import Json
from g4run.cli.output import Output, Task
from g4run.settings import read_settings


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and exit.")] = False,
    as_json: Json = False,
) -> Task:
    """Remove unfinished downloads and cached headers.

    Keeps downloads that are still running, and those of other programs. To remove models, use `g4run rm`.
    """
    return partial(remove_unneeded, dry_run, as_json)


def remove_unneeded(is_dry_run: bool, as_json: bool, output: Output) -> int:
    """Remove them, or show what would be removed."""
    from g4run.cli.views.store import pruned_value, render_pruned
    from g4run.models.store.store import Store
    from g4run.models.store.usage import prune as prune_store

    settings = read_settings()
    store = Store(settings)
    pruned = prune_store(settings, store, is_dry_run=is_dry_run)
    if as_json:
        output.write_json(pruned_value(pruned, is_dry_run=is_dry_run))
    else:
        output.answer.write(render_pruned(pruned, is_dry_run=is_dry_run))
    return 0
