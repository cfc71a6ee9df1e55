"""`g4run df` and `g4run prune`: what models take on disk, and what of it nobody needs."""

from functools import partial
from typing import Annotated

import typer

from g4run.cli.arguments.json_output import Json
from g4run.cli.output import Output, Task
from g4run.settings import read_settings


def show_usage(as_json: Json = False) -> Task:
    """Show the disk space that models use, and what is free."""
    return partial(measure, as_json)


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and exit.")] = False,
    as_json: Json = False,
) -> Task:
    """Remove old unfinished downloads and cached headers.

    An unfinished download is old if it has not changed for a week.
    """
    return partial(remove_unneeded, dry_run, as_json)


def measure(as_json: bool, output: Output) -> int:
    """Measure and print."""
    from g4run.cli.views.store import render_usage, usage_value
    from g4run.cli.views.tables import line_width
    from g4run.models.store.store import Store
    from g4run.models.store.usage import measure_usage

    settings = read_settings()
    usage = measure_usage(settings, Store(settings))
    if as_json:
        output.write_json(usage_value(usage))
    else:
        output.answer.write(render_usage(usage, line_width(output.answer)))
    return 0


def remove_unneeded(is_dry_run: bool, as_json: bool, output: Output) -> int:
    """Remove it, or say what would go."""
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
