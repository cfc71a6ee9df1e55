"""Compile the grammar that constrains an answer, and check it with the engine's library."""

import re
from collections.abc import Sequence
from typing import Final

from g4run.chat.messages import Conversation, Tool
from g4run.chat.structured_output.grammar import Grammar, GrammarNotation
from g4run.chat.structured_output.json_schema import ANY_OBJECT, compile_json_schema
from g4run.chat.structured_output.tool_calls import calls_or_json_grammar, tool_call_grammar
from g4run.engine.grammar_check import check_grammar
from g4run.errors import UsageError
from g4run.runtime.answers.answer import AnswerOptions, JsonFormat, NamedTool, ToolChoice

_HINTS: Final = {
    GrammarNotation.LARK: "the notation is llguidance's dialect of Lark, with the root rule `start`",
    GrammarNotation.REGEX: "the syntax is that of Rust's regex crate",
}
_AT_LINE: Final = re.compile(r"grammar, line (\d+), column \d+: ")


def compile_grammar(conversation: Conversation, options: AnswerOptions) -> str | None:
    """Return the Lark grammar for a request; None if the answer is free.

    If the model may call tools, calls are valid in place of JSON; your own grammar has to allow them itself. Raises
    UsageError for conflicting options, a schema or grammar that cannot be enforced, and an unknown tool.
    """
    if (options.response_format is not None) + (options.grammar is not None) + options.must_call > 1:
        raise UsageError("a grammar, a response format and a required tool call cannot be combined")
    if options.grammar is not None:
        return compile_written(options.grammar)
    if options.must_call:
        choice = options.tool_choice
        return _checked(tool_call_grammar(conversation.tools, choice.name if isinstance(choice, NamedTool) else None))
    if options.response_format is None:
        return None
    return compile_format(options.response_format, conversation.tools if options.tool_choice is ToolChoice.AUTO else ())


def compile_format(format: JsonFormat, tools: Sequence[Tool] = ()) -> str:
    """Return the Lark grammar of JSON, or of tool calls in its place. Raises UsageError as compile_grammar does."""
    schema = ANY_OBJECT if format.schema is None else format.schema
    return _checked(calls_or_json_grammar(tools, schema) if tools else compile_json_schema(schema))


def compile_written(grammar: Grammar) -> str:
    """Return a user's grammar in Lark. Raises UsageError that names line and column, if known."""
    return _checked(grammar.write_lark(), grammar.notation)


def _checked(lark: str, notation: GrammarNotation = GrammarNotation.GBNF) -> str:
    """Return a grammar that llguidance accepts. Raises UsageError with the place, which ends each of our lines."""
    try:
        check_grammar(lark)
    except ValueError as error:
        reason = str(error)
        if notation is GrammarNotation.REGEX:
            reason = "grammar: " + reason.rpartition("error: ")[2].rpartition("(in regex): ")[2]
        elif notation is GrammarNotation.GBNF and (found := _AT_LINE.match(reason)):
            reason = f"{lark.splitlines()[int(found[1]) - 1].rpartition(' // ')[2]}: {reason[found.end() :]}"
        raise UsageError(reason, _HINTS.get(notation, "")) from None
    return lark
