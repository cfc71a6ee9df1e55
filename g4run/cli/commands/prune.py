"""`g4run prune`: remove unfinished downloads and cached headers."""

from typing import Annotated

import typer

from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.settings import read_settings


@command
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and exit.")] = False,
    as_json: Json = False,
    *,
    output: Output,
) -> None:
    """Remove unfinished downloads and cached headers.

    Keeps downloads that are still running, and those of other programs. To remove models, use `g4run rm`.
    """
    from g4run.cli.views.store import pruned_value, render_pruned
    from g4run.models.store.store import Store
    from g4run.models.store.usage import prune as prune_store

    settings = read_settings()
    pruned = prune_store(settings, Store(settings), is_dry_run=dry_run)
    value, text = pruned_value(pruned, is_dry_run=dry_run), render_pruned(pruned, is_dry_run=dry_run)
    output.write_result(value, text, as_json=as_json)
