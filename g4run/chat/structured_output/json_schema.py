"""JSON and JSON schemas as grammars.

What a grammar accepts satisfies the schema. The other way round it is narrower than JSON schema where a model would
only lose its way: members come in the schema's order; names that are not declared come only where
additionalProperties says so, or where nothing at all is said about members; a schema that speaks of one type's
keywords without naming a type means that type; white space is at most one space or one line break with an indent;
numbers without bounds have at most 20 digits before and behind the point; values of which nothing is said nest 16
levels deep. Strings, lists and recursion that the schema does not bound are not bounded here: max_tokens bounds them.
"""

from typing import Final

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.compiler import SchemaCompiler
from g4run.chat.structured_output.keywords import Schema
from g4run.chat.structured_output.notations import JsonNotation
from g4run.chat.structured_output.rules import Reference, Rules

ANY_OBJECT: Final[JsonValue] = {"type": "object"}
"""The schema of JSON mode: what OpenAI calls "json_object" and Ollama "json"."""


def compile_json_schema(schema: JsonValue) -> str:
    """The grammar of the JSON texts that satisfy a schema.

    Raises UsageError, with the keyword and the JSON pointer to it, where a keyword is not supported, a schema is
    broken or contradicts itself, or the grammar would get too large.
    """
    rules = Rules("the JSON schema")
    return rules.render(define_json(rules, schema))


def define_json(rules: Rules, schema: JsonValue) -> Reference:
    """Make the rules of the JSON texts that satisfy a schema; raises UsageError."""
    root = Schema.read("the JSON schema", schema)
    return SchemaCompiler(root, rules, JsonNotation(rules)).define(root)
