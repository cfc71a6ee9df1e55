"""Read --tool-choice: whether the model must call a tool from --messages."""

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from g4run.errors import UsageError

if TYPE_CHECKING:
    from g4run.chat.messages import Conversation
    from g4run.runtime.answers.answer import AnswerOptions, NamedTool, ToolChoice

_NO_TOOLS_HINT = 'add tools next to the messages: {"messages": [...], "tools": [...]}'


def check_has_messages(tool_choice: str | None, messages_file: str | None) -> None:
    """Check that --tool-choice has --messages to take tools from. Raises UsageError."""
    if tool_choice is not None and messages_file is None:
        raise UsageError("--tool-choice needs the tools in --messages", "--messages FILE")


def add_tool_choice(options: "AnswerOptions", tool_choice: str | None, conversation: "Conversation") -> "AnswerOptions":
    """Return the options with --tool-choice set: auto, none, required, or a tool's name.

    Raises UsageError, also for a grammar together with a call, and for tool parameters that cannot be enforced.
    """
    if tool_choice is None:
        return options
    choice = _read_tool_choice(tool_choice, conversation)
    if choice not in ("auto", "none"):
        _check_call(options, tool_choice, choice, conversation)
    return replace(options, tool_choice=choice)


def _read_tool_choice(text: str, conversation: "Conversation") -> "ToolChoice | NamedTool":
    from g4run.runtime.answers.answer import NamedTool, ToolChoice

    names = [tool.name for tool in conversation.tools]
    if not names:
        raise UsageError("--tool-choice was given, but the messages declare no tools", _NO_TOOLS_HINT)
    if text in tuple(ToolChoice):
        return ToolChoice(text)
    if text not in names:
        raise UsageError(f"the messages declare no tool {text!r}", f"--tool-choice {shlex.quote(names[0])}")
    return NamedTool(text)


def _check_call(
    options: "AnswerOptions", text: str, choice: "ToolChoice | NamedTool", conversation: "Conversation"
) -> None:
    from g4run.chat.grammars.tool_calls import tool_call_grammar
    from g4run.runtime.answers.answer import NamedTool

    if options.response_format is not None or options.grammar is not None:
        other = "--grammar" if options.response_format is None else "--format"
        raise UsageError(f"--tool-choice {text} and {other} cannot be used together", "omit one of them")
    tool_call_grammar(conversation.tools, choice.name if isinstance(choice, NamedTool) else None)
