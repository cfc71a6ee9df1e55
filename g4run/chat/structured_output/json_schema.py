"""Compiles JSON schemas to grammars.

What a grammar accepts satisfies the schema, but it accepts less than the schema allows where more would only mislead
the model: members come in the schema's order; undeclared members are allowed only with additionalProperties, or if
nothing is said about members; keywords of one type without "type" imply that type; white space is at most one space
or one line break with an indent; numbers without bounds have at most 20 digits before and after the point; values
without constraints nest at most 16 deep. Strings, lists and recursion without bounds are limited by max_tokens only.
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

    Raises UsageError, with the JSON pointer, if a keyword is not supported, the schema is invalid or contradicts
    itself, or the grammar would be too large.
    """
    rules = Rules("the JSON schema")
    return rules.render(define_json(rules, schema))


def define_json(rules: Rules, schema: JsonValue) -> Reference:
    """Define the rules of the JSON texts that satisfy a schema. Raises UsageError."""
    root = Schema.read("the JSON schema", schema)
    return SchemaCompiler(root, rules, JsonNotation(rules)).define(root)
