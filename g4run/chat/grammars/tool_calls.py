"""Tool calls in Gemma 4's own notation as a grammar, for clients that ask for a call."""

import re
from collections.abc import Sequence
from typing import Final

from g4run.chat.grammars.compiler import SchemaCompiler
from g4run.chat.grammars.dialects import CallDialect
from g4run.chat.grammars.json_schema import define_json
from g4run.chat.grammars.keywords import Schema, read_schema
from g4run.chat.grammars.nodes import Node, expand
from g4run.chat.grammars.rules import Literal, Reference, Rules, Token
from g4run.chat.messages import JsonValue, Tool
from g4run.chat.tokens import TOOL_CALL_CLOSE, TOOL_CALL_OPEN
from g4run.errors import UsageError

_MAX_CALLS: Final = 16
"""Calls in one answer, so that a model that goes on calling comes to an end."""
_NAME: Final = re.compile(r"""[^\s{}()\[\],"'`<>]*[^\s{}()\[\],"'`<>:]""")


def tool_call_grammar(tools: Sequence[Tool], choice: str | None = None, *, most: int = _MAX_CALLS) -> str:
    """The grammar of one to `most` calls of the tools, or of the one that `choice` names.

    The model ends its answer after them; nothing stands before, between or behind. Control tokens are written as
    `<|tool_call>`, which llama.cpp reads as the one token of that text. Raises UsageError as compile_json_schema does,
    and where there is no such tool.
    """
    allowed = [tool for tool in tools if choice is None or tool.name == choice]
    if not allowed:
        raise UsageError("there is no tool to call" if choice is None else f'there is no tool "{choice}"')
    rules = Rules()
    return rules.render(_calls(rules, allowed, most))


def calls_or_json_grammar(tools: Sequence[Tool], schema: JsonValue) -> str:
    """The grammar of calls of the tools, or of a JSON text that satisfies a schema; of any object where it is None.

    Raises UsageError as compile_json_schema does.
    """
    rules = Rules()
    json = define_json(rules, schema)
    return rules.render(rules.define("answer", [(_calls(rules, tools, _MAX_CALLS),), (json,)]))


def _calls(rules: Rules, tools: Sequence[Tool], most: int) -> Reference:
    """From one call to so many of them."""
    calls = [
        (Token(TOOL_CALL_OPEN), Literal(f"call:{_check_name(tool)}"), _arguments(rules, tool), Token(TOOL_CALL_CLOSE))
        for tool in tools
    ]
    return rules.define("calls", [rules.repeat(rules.define("call", calls), 1, most)])


def _check_name(tool: Tool) -> str:
    if not _NAME.fullmatch(tool.name):
        raise UsageError(f'the tool name "{tool.name}" cannot be written in a call')
    return tool.name


def _arguments(rules: Rules, tool: Tool) -> Reference:
    """The arguments between their braces; a tool without parameters has none."""
    label = f'the parameters of the tool "{tool.name}"'
    root = read_schema(label, {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters)
    _check_object(root)
    return SchemaCompiler(root, rules, CallDialect(rules)).define(root)


def _check_object(root: Schema) -> None:
    """Refuse parameters that allow anything but an object."""
    if expand(root, Node.of([root])).types() != frozenset({"object"}):
        raise root.error('arguments are always an object; say "type": "object"')
