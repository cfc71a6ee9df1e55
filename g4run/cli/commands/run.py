"""`g4run run`: one answer, also in a pipe."""

from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.arguments.checked_options import make_answer_options, make_load_options
from g4run.cli.arguments.options import SharedOptions, System
from g4run.cli.arguments.prompt import read_conversation
from g4run.cli.arguments.response_format import add_tool_choice, check_has_messages
from g4run.cli.command import Json, command
from g4run.cli.output import Output
from g4run.cli.terminal.loading import open_model
from g4run.cli.terminal.streaming import Display, await_answer, show_answer, show_outcome
from g4run.cli.views.answer import answer_value, prompt_value, render_media_slots
from g4run.errors import Interrupted, UsageError
from g4run.models.names.types import Size
from g4run.settings import read_settings, with_margin

if TYPE_CHECKING:
    from g4run.chat.messages import Conversation


@command
def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name, path of a GGUF file, or 'demo'.")],
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="[PROMPT]...", help="The prompt; text from stdin goes before it.")
    ] = None,
    messages: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Read messages and tools from a JSON file in OpenAI's format; - for stdin."),
    ] = None,
    tool_choice: Annotated[
        str | None,
        typer.Option(
            metavar="CHOICE", help="Which tool in --messages to call: auto, none, required, or a tool's NAME."
        ),
    ] = None,
    system: System = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print the exact prompt and exit, without loading the model.")
    ] = False,
    size: Annotated[
        Size | None, typer.Option("--as", help="With --show-prompt, write the prompt for this model size.")
    ] = None,
    *,
    shared: SharedOptions,
    as_json: Json = False,
    output: Output,
) -> int:
    """Answer one prompt, from the arguments, stdin, or both."""
    from g4run.models.library import Library
    from g4run.runtime.answers.answer import FinishReason
    from g4run.runtime.named_model import resolve_model

    if size is not None and not show_prompt:
        raise UsageError("--as needs --show-prompt", f"--as {size} --show-prompt")
    check_has_messages(tool_choice, messages)
    options, loading = make_answer_options(shared), make_load_options(shared)
    settings = with_margin(read_settings(), shared.margin)
    file = resolve_model(Library(settings), model)
    conversation = read_conversation(model, prompt or (), messages, system)
    options = add_tool_choice(options, tool_choice, conversation)
    if show_prompt:
        is_small = file.architecture.is_small if size is None else size in (Size.E2B, Size.E4B)
        return _show_prompt(file.name, conversation, output, thinking=shared.think, is_small=is_small, as_json=as_json)
    display = Display(shared.hide_thinking, faint=settings.colour, verbose=shared.verbose)
    with open_model(file, settings, loading, output.notes, is_quiet=as_json) as loaded:
        plan, context_length = loaded.plan, loaded.context_length
        stream = loaded.answer(conversation, options)
        answer = await_answer(stream) if as_json else show_answer(stream, output, display)
    if as_json:
        output.write_json(answer_value(file.name, answer, plan, hide_thinking=shared.hide_thinking))
    show_outcome(answer, options, context_length, output, display)
    return Interrupted.exit_code if answer.finish_reason is FinishReason.CANCELLED else 0


def _show_prompt(
    model: str, conversation: "Conversation", output: Output, *, thinking: bool, is_small: bool, as_json: bool
) -> int:
    """Print the exact prompt; a terminal also gets a final newline."""
    from g4run.chat.render import PromptFormat, render

    prompt = render(conversation, PromptFormat.SMALL if is_small else PromptFormat.LARGE, thinking=thinking)
    if as_json:
        output.write_json(prompt_value(model, prompt))
        return 0
    needs_newline = output.answer.is_terminal and not prompt.text.endswith("\n")
    output.answer.write(prompt.text + ("\n" if needs_newline else ""))
    output.notes.write(render_media_slots(prompt))
    return 0
