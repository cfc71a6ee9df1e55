"""The program's commands, and what becomes of their failures."""

from collections.abc import Sequence
from typing import Annotated

import typer

from g4run import __version__
from g4run.cli.chat import chat
from g4run.cli.output import Output, OutputClosed, Task, open_output
from g4run.cli.run import run
from g4run.cli.views import error_value, render_error
from g4run.errors import G4RunError, Interrupted, UsageError

app = typer.Typer(
    name="g4run",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run)
app.command("chat")(chat)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"g4run {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", is_eager=True, callback=_show_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Run Google's Gemma 4 models on your own machine."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command, report its failure if it has one, and return the exit code."""
    output = open_output()
    try:
        return _parse(arguments)(output)
    except G4RunError as error:
        return _report(error, output, as_json=_asks_for_json(arguments))
    except KeyboardInterrupt:
        return _report(Interrupted("stopped"), output, as_json=_asks_for_json(arguments))
    except OutputClosed:
        return 0


def _parse(arguments: Sequence[str]) -> Task:
    """What a command line asks for; --help and --version are printed here, and leave nothing to do."""
    try:
        task: Task | int | None = app(list(arguments), prog_name="g4run", standalone_mode=False)
    except typer.TyperException as error:
        raise _usage_error(error, arguments) from None
    if callable(task):
        return task
    return lambda output: task or 0


def _usage_error(error: typer.TyperException, arguments: Sequence[str]) -> UsageError:
    """Give a parser's complaint our shape, with the help of the command that was typed."""
    known = [command.name for command in app.registered_commands]
    command = " ".join(["g4run", *(name for name in arguments[:1] if name in known)])
    message = " ".join(error.format_message().split()).rstrip(".")
    return UsageError(message[:1].lower() + message[1:], f"{command} --help")


def _report(error: G4RunError, output: Output, *, as_json: bool) -> int:
    """Say what went wrong; who pressed Ctrl-C knows it, and only a program that reads JSON is told."""
    if as_json:
        output.write_json(error_value(error))
    elif not isinstance(error, Interrupted):
        output.notes.write(render_error(error))
    return error.exit_code


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether --json is among the options; a command line that does not parse is still to be answered in JSON."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]
