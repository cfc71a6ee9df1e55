"""Grammars of tool calls in Gemma 4's own notation."""

import re
from collections.abc import Sequence
from typing import Final

from g4run.chat.messages import JsonValue, Tool
from g4run.chat.structured_output.compiler import SchemaCompiler
from g4run.chat.structured_output.json_schema import define_json
from g4run.chat.structured_output.keywords import Schema
from g4run.chat.structured_output.nodes import Node, expand
from g4run.chat.structured_output.notations import CallNotation
from g4run.chat.structured_output.rules import Parts, Reference, Rules, write_text
from g4run.chat.tokens import TOOL_CALL_CLOSE, TOOL_CALL_OPEN
from g4run.errors import UsageError

_MAX_CALLS: Final = 16
"""Calls in one answer, so that it ends."""
_NAME: Final = re.compile(r"""[^\s{}()\[\],"'`<>]*[^\s{}()\[\],"'`<>:]""")


def tool_call_grammar(tools: Sequence[Tool], choice: str | None = None, *, most: int = _MAX_CALLS) -> str:
    """The grammar of one to `most` calls of the tools, or of the one that `choice` names, and nothing else.

    Raises UsageError as compile_json_schema does, and if there is no such tool.
    """
    allowed = [tool for tool in tools if choice is None or tool.name == choice]
    if not allowed:
        raise UsageError("there is no tool to call" if choice is None else f'there is no tool "{choice}"')
    rules = Rules("the tools' parameters")
    return rules.render(_define_calls(rules, allowed, most))


def calls_or_json_grammar(tools: Sequence[Tool], schema: JsonValue) -> str:
    """The grammar of calls of the tools or of JSON text. Raises UsageError as compile_json_schema does."""
    rules = Rules("the JSON schema")
    json = define_json(rules, schema)
    return rules.render(rules.define("answer", [(_define_calls(rules, tools, _MAX_CALLS),), (json,)]))


def _define_calls(rules: Rules, tools: Sequence[Tool], most: int) -> Reference:
    """Define one to `most` calls."""
    calls: list[Parts] = []
    for tool in tools:
        if not _NAME.fullmatch(tool.name):
            raise UsageError(f'the tool name "{tool.name}" cannot be written in a call')
        arguments = _define_arguments(rules, tool)
        calls.append((TOOL_CALL_OPEN, write_text(f"call:{tool.name}"), arguments, TOOL_CALL_CLOSE))
    call = rules.define("call", calls)
    return rules.define("calls", [(Reference(call.rule, 1, most),)])


def _define_arguments(rules: Rules, tool: Tool) -> Reference:
    """Define a call's arguments in braces; a tool without parameters has none."""
    label = f'the parameters of the tool "{tool.name}"'
    root = Schema.read(label, {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters)
    if expand(root, Node.of([root])).types() != frozenset({"object"}):
        raise root.error('arguments are always an object; add "type": "object"')
    return SchemaCompiler(root, rules, CallNotation(rules)).define(root)
