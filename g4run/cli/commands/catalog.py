"""`g4run catalog`: update the list of models you can pull."""

import typer

from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.settings import read_settings

catalog = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Update the list of models you can pull.",
    add_completion=False,
)


@catalog.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Update the list of models you can pull."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@catalog.command("refresh")
@command
def refresh(as_json: Json = False, *, output: Output) -> None:
    """Ask the Hub which files it has now.

    Stores the answer; the built-in list remains the fallback.
    """
    from g4run.cli.views.json_values import json_value
    from g4run.cli.views.verify import render_refresh
    from g4run.models.catalog.refresh import refresh_catalog
    from g4run.models.hub.client import Hub

    settings = read_settings()
    report = refresh_catalog(settings.data_directory, Hub(settings).list_repository)
    output.write_result(json_value(report), render_refresh(report), as_json=as_json)
