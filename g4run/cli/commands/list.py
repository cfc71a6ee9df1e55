"""`g4run list`: installed models, and models you can pull."""

from functools import cache, partial
from typing import Annotated

import typer

from g4run.cli.command import Json, command
from g4run.cli.open_hub import open_hub
from g4run.cli.output import Output
from g4run.errors import UsageError
from g4run.settings import read_settings

_EMPTY_HINT = "no models yet: g4run pull gemma4, or g4run list --available"


@command
def list_models(
    prefix: Annotated[
        str | None,
        typer.Argument(metavar="[PREFIX]", help="Only names that start with this; with --available, a size."),
    ] = None,
    available: Annotated[
        bool, typer.Option("--available", help="List models you can pull: all, one size, or hf.co/USER/REPO.")
    ] = False,
    space: Annotated[
        bool, typer.Option("--space", help="Show the disk space that models use, and what is free.")
    ] = False,
    as_json: Json = False,
    *,
    output: Output,
) -> None:
    """List the models on this machine, or those you can pull.

    The newest come first.
    """
    if space:
        if available or prefix is not None:
            problem = f"--space and {'--available' if available else 'a prefix'} cannot be used together"
            raise UsageError(problem, "g4run list --space")
        _show_space(as_json, output)
    elif available:
        _show_available(prefix, as_json, output)
    else:
        _show_models(prefix, as_json, output)


def _show_models(prefix: str | None, as_json: bool, output: Output) -> None:
    """List the installed models; entries that cannot be read are reported on stderr."""
    from datetime import UTC, datetime

    from g4run.cli.views.models import models_value, render_cut_note, render_damaged, render_models
    from g4run.cli.views.tables import line_width
    from g4run.hardware.inspection import inspect_unmeasured
    from g4run.models.library import Library
    from g4run.runtime.installed_models import list_installed

    library = Library(read_settings())
    records, damaged = library.store.read()
    wanted, inspect = (prefix or "").lower(), partial(inspect_unmeasured, library.settings)
    models = [model for model in list_installed(library, records, inspect) if model.name.lower().startswith(wanted)]
    table = render_models(models, datetime.now(UTC), line_width(output.answer))
    output.write_result(models_value(models, damaged), table, as_json=as_json)
    if as_json:
        return
    output.notes.write(render_cut_note(table))
    for entry in damaged:
        output.notes.write(render_damaged(entry))
    if not any(model.modified_at for model in models):
        hint = f"no model name starts with {prefix}: g4run list shows all" if prefix else _EMPTY_HINT
        output.notes.write(f"{hint}\n")


def _show_space(as_json: bool, output: Output) -> None:
    """Show the disk space that models use, each file counted once, and what is free."""
    from g4run.cli.views.json_values import json_value
    from g4run.cli.views.store import render_usage
    from g4run.cli.views.tables import line_width
    from g4run.models.store.store import Store
    from g4run.models.store.usage import measure_usage

    settings = read_settings()
    usage = measure_usage(settings, Store(settings))
    output.write_result(json_value(usage), render_usage(usage, line_width(output.answer)), as_json=as_json)


def _show_available(typed: str | None, as_json: bool, output: Output) -> None:
    """List the models you can pull, from the catalog or from one repository."""
    from g4run.cli.views.models import available_value, render_available, render_cut_note
    from g4run.cli.views.tables import line_width
    from g4run.hardware.inspection import inspect_unmeasured
    from g4run.models.library import Library
    from g4run.runtime.available_models import find_available, with_short_names
    from g4run.runtime.choose_file import inspect_measured_machine

    library = Library(read_settings())
    inspect = partial(inspect_unmeasured, library.settings)
    models = find_available(library, typed, inspect, partial(open_hub, library.settings))
    models = with_short_names(library, models, cache(partial(inspect_measured_machine, library.settings)))
    table = render_available(models, line_width(output.answer))
    output.write_result(available_value(models), table, as_json=as_json)
    if as_json:
        return
    output.notes.write(render_cut_note(table))
    if library.catalog.overlay_problem is not None:
        output.notes.write(f"using the built-in catalog: {library.catalog.overlay_problem}\n")
