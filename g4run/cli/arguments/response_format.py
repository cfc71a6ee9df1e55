"""Read --format, --grammar, --regex, and --tool-choice."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from g4run.cli.arguments.prompt import parse_json, read_file
from g4run.errors import UsageError

if TYPE_CHECKING:
    from g4run.chat.messages import Conversation
    from g4run.chat.structured_output.grammar import Grammar
    from g4run.runtime.answers.answer import AnswerOptions, JsonFormat, NamedTool, ToolChoice

ANY_JSON = "json"
_SCHEMA_HINT = 'a schema looks like {"type": "object", "properties": {"name": {"type": "string"}}}'
_NO_TOOLS_HINT = 'add tools next to the messages: {"messages": [...], "tools": [...]}'


def check_one_constraint(**given: object) -> None:
    """Refuse two options that both constrain the answer. Raises UsageError."""
    names = [f"--{name}" for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise UsageError(f"{names[0]} and {names[1]} cannot be used together", "omit one of them")


def read_format(given: str | None) -> "JsonFormat | None":
    """Read --format: `json` or a JSON schema file. Raises UsageError that names the file and the position."""
    from g4run.runtime.answers.answer import JsonFormat
    from g4run.runtime.answers.constraint import compile_format

    if given is None or given == ANY_JSON:
        return None if given is None else JsonFormat()
    if not Path(given).exists():
        raise UsageError(f"--format must be {ANY_JSON} or a JSON schema file, not {given!r}", "--format json")
    schema = parse_json(read_file(Path(given)), given, _SCHEMA_HINT)
    if schema is None:
        raise UsageError(f"{given} contains null, which is not a JSON schema", _SCHEMA_HINT)
    try:
        compile_format(JsonFormat(schema))
    except UsageError as error:
        raise UsageError(f"{given}: {error.message}", error.hint) from None
    return JsonFormat(schema)


def read_grammar(file: str | None, regex: str | None) -> "Grammar | None":
    """Read the grammar file of --grammar, in Lark if that is its suffix and else in GBNF, or the pattern of --regex.

    Raises UsageError that names file, line and column.
    """
    from g4run.chat.structured_output.grammar import Grammar, GrammarNotation
    from g4run.runtime.answers.constraint import compile_written

    if file is None and regex is None:
        return None
    if file is None:
        grammar = Grammar(regex or "", GrammarNotation.REGEX)
    else:
        text = read_file(Path(file))
        grammar = Grammar(text, GrammarNotation.LARK if Path(file).suffix == ".lark" else GrammarNotation.GBNF)
    try:
        compile_written(grammar)
    except UsageError as error:
        raise UsageError(f"{file or '--regex'}{error.message.removeprefix('grammar')}", error.hint) from None
    return grammar


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
    from g4run.chat.structured_output.grammar import GrammarNotation
    from g4run.runtime.answers.constraint import compile_grammar

    if options.grammar is not None or options.response_format is not None:
        is_regex = options.grammar is not None and options.grammar.notation is GrammarNotation.REGEX
        other = "--format" if options.grammar is None else "--regex" if is_regex else "--grammar"
        raise UsageError(f"--tool-choice {text} and {other} cannot be used together", "omit one of them")
    compile_grammar(conversation, replace(options, tool_choice=choice))
