"""`g4run run`: one answer, also in a pipe."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from g4run.cli.arguments.checked_options import make_answer_options, make_load_options
from g4run.cli.arguments.json_output import Json
from g4run.cli.arguments.options import SharedOptions, System, expand_options
from g4run.cli.arguments.prompt import read_conversation
from g4run.cli.arguments.response_format import add_tool_choice, check_has_messages
from g4run.cli.output import Output, Task
from g4run.cli.terminal.loading import open_model
from g4run.cli.terminal.streaming import Display, await_answer, show_answer, show_outcome
from g4run.cli.views.answer import answer_value, prompt_value, render_media_slots
from g4run.errors import Interrupted, UsageError
from g4run.models.names.types import Size
from g4run.settings import Settings, read_settings

if TYPE_CHECKING:
    from g4run.chat.messages import Conversation
    from g4run.models.library import ModelFile
    from g4run.runtime.answers.answer import AnswerOptions
    from g4run.runtime.loading import LoadOptions


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A checked command line of `g4run run`."""

    model: str
    words: tuple[str, ...]
    messages_file: str | None
    tool_choice: str | None
    system: str | None
    shows_prompt: bool
    size: Size | None
    options: "AnswerOptions"
    loading: "LoadOptions"
    hides_thinking: bool
    is_verbose: bool
    as_json: bool


@expand_options
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
) -> Task:
    """Answer one prompt, from the arguments, stdin, or both."""
    if size is not None and not show_prompt:
        raise UsageError("--as needs --show-prompt", f"--as {size} --show-prompt")
    check_has_messages(tool_choice, messages)
    request = RunRequest(
        model=model,
        words=tuple(prompt or ()),
        messages_file=messages,
        tool_choice=tool_choice,
        system=system,
        shows_prompt=show_prompt,
        size=size,
        options=make_answer_options(shared),
        loading=make_load_options(shared),
        hides_thinking=shared.hide_thinking,
        is_verbose=shared.verbose,
        as_json=as_json,
    )
    return partial(execute, request)


def execute(request: RunRequest, output: Output) -> int:
    """Run the command and return the exit code."""
    from g4run.models.library import Library

    settings = read_settings()
    file = Library(settings).resolve(request.model)
    conversation = read_conversation(request.model, request.words, request.messages_file, request.system)
    request = replace(request, options=add_tool_choice(request.options, request.tool_choice, conversation))
    if request.shows_prompt:
        _show_prompt(file, conversation, request, output)
        return 0
    return _answer(file, conversation, request, settings, output)


def _answer(
    file: "ModelFile", conversation: "Conversation", request: RunRequest, settings: Settings, output: Output
) -> int:
    from g4run.runtime.answers.answer import FinishReason

    display = Display(request.hides_thinking, faint=settings.colour, verbose=request.is_verbose)
    with open_model(file, settings, request.loading, output.notes, is_quiet=request.as_json) as model:
        plan, context_length = model.plan, model.context_length
        stream = model.answer(conversation, request.options)
        answer = await_answer(stream) if request.as_json else show_answer(stream, output, display)
    if request.as_json:
        output.write_json(answer_value(file.name, answer, plan, hide_thinking=request.hides_thinking))
    show_outcome(answer, request.options, context_length, output, display)
    return Interrupted.exit_code if answer.finish_reason is FinishReason.CANCELLED else 0


def _show_prompt(file: "ModelFile", conversation: "Conversation", request: RunRequest, output: Output) -> None:
    """Print the exact prompt; a terminal also gets a final newline."""
    from g4run.chat.render import PromptFormat, render

    is_small = file.architecture.is_small if request.size is None else request.size in (Size.E2B, Size.E4B)
    format = PromptFormat.SMALL if is_small else PromptFormat.LARGE
    prompt = render(conversation, format, thinking=request.options.thinking)
    if request.as_json:
        output.write_json(prompt_value(file.name, prompt))
        return
    needs_newline = output.answer.is_terminal and not prompt.text.endswith("\n")
    output.answer.write(prompt.text + ("\n" if needs_newline else ""))
    output.notes.write(render_media_slots(prompt))
