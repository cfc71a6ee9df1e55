"""Build the command-line app, run one command, and report its error."""

from collections.abc import Sequence
from typing import Annotated

import typer

from g4run import __version__
from g4run.cli.command_list import COMMANDS, HIDDEN, load_command
from g4run.cli.output import Output, OutputClosed, Task, open_output
from g4run.cli.views.errors import error_value, render_error
from g4run.errors import G4RunError, Interrupted, UsageError


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"g4run {__version__}")
        raise typer.Exit


def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", is_eager=True, callback=_show_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Run Google's Gemma 4 models on your own machine."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Build the Typer app; commands that are not in `arguments` are listed but not imported."""
    app = typer.Typer(
        name="g4run",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(start)
    for name, summary in COMMANDS.items():
        command = load_command(name) if name in arguments else _placeholder
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, help=summary if command is _placeholder else None, hidden=name in HIDDEN)(command)
    return app


def _placeholder() -> None:
    """Stand in for a command that was not typed."""


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command, report its error if it fails, and return the exit code."""
    output = open_output()
    try:
        return _parse(arguments)(output)
    except G4RunError as error:
        return _report(error, output, as_json=_asks_for_json(arguments))
    except KeyboardInterrupt:
        return _report(Interrupted("stopped"), output, as_json=_asks_for_json(arguments))
    except OutputClosed:
        return 0
    except OSError as error:
        return _report(_system_error(error), output, as_json=_asks_for_json(arguments))


def _system_error(error: OSError) -> G4RunError:
    """Wrap an OSError that nothing else handled: it is about files and permissions, not a bug."""
    reason = (error.strerror or str(error)).lower()
    place = f": {error.filename}" if error.filename else ""
    return G4RunError(f"system error: {reason}{place}", "check the permissions and the free disk space")


def _parse(arguments: Sequence[str]) -> Task:
    """Parse a command line into a task; --help and --version print here and leave nothing to do."""
    app = build_app(arguments)
    try:
        task: Task | int | None = app(list(arguments), prog_name="g4run", standalone_mode=False)
    except typer.TyperException as error:
        raise _usage_error(error, arguments) from None
    if callable(task):
        return task
    return lambda output: task or 0


def _usage_error(error: typer.TyperException, arguments: Sequence[str]) -> UsageError:
    """Convert a Typer error to a UsageError that points to the typed command's help."""
    context: typer.Context | None = getattr(error, "ctx", None)  # unset if an option lacks its argument
    command = context.command_path if context else " ".join(["g4run", *arguments[:1]])
    message = " ".join(error.format_message().split()).rstrip(".")
    return UsageError(message[:1].lower() + message[1:], f"{command} --help")


def _report(error: G4RunError, output: Output, *, as_json: bool) -> int:
    """Report an error and return its exit code; Ctrl-C is reported in JSON only."""
    if as_json:
        output.write_json(error_value(error))
    elif not isinstance(error, Interrupted):
        from g4run.cli.views.tables import line_width

        output.notes.write(render_error(error, line_width(output.notes)))
    return error.exit_code


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Return whether --json is set, also in a command line that does not parse."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]
