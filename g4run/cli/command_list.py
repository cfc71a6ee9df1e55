"""The commands, imported only when typed: importing all of them takes 23 ms, and Typer itself 50."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import typer

Command: TypeAlias = Callable[..., Any]

# The command summaries in `g4run --help`; a test compares them with the first sentence of each command's docstring.
COMMANDS: Final = {
    "run": "Answer one prompt, from the arguments, stdin, or both.",
    "chat": "Chat with a model.",
    "pull": "Download models from the Hugging Face Hub.",
    "list": "List the models on this machine, or those you can pull.",
    "ls": "List the models on this machine, or those you can pull.",
    "show": "Show what a model is and what it can do.",
    "cp": "Give a model a second name for the same files.",
    "rm": "Remove models, and the files that nothing else needs.",
    "import": "Use a GGUF file that is already on this machine.",
    "verify": "Check the files of models for damage.",
    "outdated": "Check the Hub for newer files of your models.",
    "prune": "Remove unfinished downloads and cached headers.",
    "hardware": "Show this machine's processors, memory, GPUs, and disks.",
    "plan": "Show how much memory a model needs on each device.",
    "recommend": "Recommend the model that suits this machine best.",
    "catalog": "Update the list of models you can pull.",
}
HIDDEN: Final = frozenset({"ls"})


def load_command(name: str) -> Command | typer.Typer:
    """Import a command; a command group is a Typer app."""
    match name:
        case "run":
            from g4run.cli.commands.run import run as command
        case "chat":
            from g4run.cli.commands.chat import chat as command
        case "pull":
            from g4run.cli.commands.pull import pull as command
        case "list" | "ls":
            from g4run.cli.commands.list import list_models as command
        case "show":
            from g4run.cli.commands.show import show as command
        case "cp":
            from g4run.cli.commands.cp import copy as command
        case "rm":
            from g4run.cli.commands.rm import remove as command
        case "import":
            from g4run.cli.commands.import_ import import_model as command
        case "verify":
            from g4run.cli.commands.verify import verify as command
        case "outdated":
            from g4run.cli.commands.outdated import outdated as command
        case "prune":
            from g4run.cli.commands.prune import prune as command
        case "hardware":
            from g4run.cli.commands.hardware import hardware as command
        case "plan":
            from g4run.cli.commands.plan import plan as command
        case "recommend":
            from g4run.cli.commands.recommend import recommend as command
        case _:
            from g4run.cli.commands.catalog import catalog as command
    return command
