"""The options that `run` and `chat` share, as Typer sees them."""

import inspect
from dataclasses import fields
from typing import Annotated

import typer

from g4run.cli.arguments.options import SharedOptions
from g4run.cli.command import command
from g4run.cli.commands.chat import chat
from g4run.cli.commands.run import run
from g4run.cli.output import Output
from tests.fakes.streams import RecordedOutput

SHARED = [field.name for field in fields(SharedOptions)]


def test_the_fields_replace_the_parameter() -> None:
    assert list(inspect.signature(chat).parameters) == ["model", "system", *SHARED]
    own = ["model", "prompt", "messages", "tool_choice", "system", "show_prompt", "size"]
    assert list(inspect.signature(run).parameters) == [*own, *SHARED, "as_json"]


def test_a_command_gets_the_options_as_one_value() -> None:
    seen: list[tuple[str, SharedOptions, bool]] = []

    @command
    def record(
        model: Annotated[str, typer.Argument()],
        *,
        shared: SharedOptions,
        as_json: Annotated[bool, typer.Option("--json")] = False,
        output: Output,
    ) -> None:
        """Record the arguments."""
        seen.append((model, shared, as_json))

    app = typer.Typer(add_completion=False)
    app.command()(record)
    app(["demo"], standalone_mode=False)(RecordedOutput())
    typed = ["--ctx", "4k", "--stop", "a", "--stop", "b", "--temperature", "0", "--think", "--json", "--verbose"]
    app(["demo", *typed], standalone_mode=False)(RecordedOutput())
    given = SharedOptions(temperature=0.0, context_length=4096, stop=["a", "b"], think=True, verbose=True)
    assert seen == [("demo", SharedOptions(), False), ("demo", given, True)]
