"""The summaries in `g4run --help` match the commands' docstrings."""

import inspect

import pytest
import typer

from g4run.cli.command_list import COMMANDS, load_command


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_has_the_first_sentence_of_each_command(name: str) -> None:
    command = load_command(name)
    text = command.info.help if isinstance(command, typer.Typer) else inspect.getdoc(command)
    assert isinstance(text, str)
    assert text.splitlines()[0] == COMMANDS[name]
