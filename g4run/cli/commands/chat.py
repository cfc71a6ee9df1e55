"""`g4run chat`: a conversation in the terminal, or line by line in a pipe."""

import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.arguments.checked_options import make_answer_options, make_load_options
from g4run.cli.arguments.options import SharedOptions, System
from g4run.cli.arguments.prompt import repair_text
from g4run.cli.command import command
from g4run.cli.open_hub import open_hub
from g4run.cli.output import Output
from g4run.cli.terminal.loading import open_model
from g4run.cli.terminal.streaming import Display
from g4run.cli.views.answer import render_greeting
from g4run.settings import Settings, read_settings, with_margin

if TYPE_CHECKING:
    from g4run.models.library import Library, ModelFile
    from g4run.models.pull.target import PullRequest
    from g4run.models.store.store import Record
    from g4run.runtime.loading import LoadOptions


@command
def chat(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Model name, path of a GGUF file, or 'demo'.")
    ] = None,
    system: System = None,
    *,
    shared: SharedOptions,
    output: Output,
) -> None:
    """Chat with a model.

    Without MODEL, picks the pulled or imported model that suits this machine best. If there is none, offers to pull
    one if you are at a terminal, and uses the built-in demo model otherwise.

    In a pipe, each line of stdin is one message. Lines between two lines of \"\"\" are one message, too.
    """
    from g4run.cli.repl.loop import converse
    from g4run.cli.repl.session import ChatSession
    from g4run.models.library import Library
    from g4run.runtime.named_model import resolve_model

    options, loading = make_answer_options(shared), make_load_options(shared)
    settings = with_margin(read_settings(), shared.margin)
    library = Library(settings)
    file = _choose(library, loading, output) if model is None else resolve_model(library, model)
    display = Display(shared.hide_thinking, faint=settings.colour, verbose=shared.verbose)
    is_interactive = _is_interactive(output)
    with open_model(file, settings, loading, output.notes) as loaded:
        if is_interactive:
            output.notes.write(render_greeting(file.name, loaded.context_length))
        session = ChatSession(loaded, options, None if system is None else repair_text(system), output, display)
        converse(session, _messages(settings, output, is_interactive), output, is_interactive=is_interactive)


def _choose(library: "Library", loading: "LoadOptions", output: Output) -> "ModelFile":
    """Choose a model if none was named."""
    from g4run.cli.terminal.choose_model import choose_chat_model
    from g4run.planner.recommend.goals import RecommendRequest
    from g4run.runtime.choose_file import inspect_measured_machine

    known = inspect_measured_machine(library.settings)

    def fetch(pull: "PullRequest") -> "Record":
        from g4run.cli.commands.pull import fetch_planned
        from g4run.runtime.pull import PullPlanner

        hub = open_hub(library.settings)
        plan = PullPlanner(library, hub, lambda: known).plan(pull)
        return fetch_planned(library, hub, plan, output)

    can_ask = sys.stdin is not None and sys.stdin.isatty() and output.notes.is_terminal
    wanted = RecommendRequest(context=loading.context, kv_type=loading.kv_type)
    return choose_chat_model(library, known, wanted, output.notes, sys.stdin if can_ask else None, fetch)


def _is_interactive(output: Output) -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and output.answer.is_terminal


def _messages(settings: Settings, output: Output, is_interactive: bool) -> Iterable[str]:
    """Return the source of the user's messages."""
    if is_interactive:
        from g4run.cli.repl.terminal import read_from_terminal

        return read_from_terminal(settings.data_directory / "chat-history", output.notes)
    from g4run.cli.repl.blocks import read_messages

    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    return read_messages(sys.stdin or ())
