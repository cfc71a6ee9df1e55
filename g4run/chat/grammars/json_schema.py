"""JSON and JSON schemas as grammars for llama.cpp, root rule "root".

What a grammar accepts satisfies the schema. The other way round it is narrower than JSON schema where a model would
only lose its way: members come in the schema's order; names that are not declared come only where
additionalProperties says so, or where nothing at all is said about members; a schema that speaks of one type's
keywords without naming a type means that type; white space is at most one space or one line break with an indent;
numbers have at most 20 digits before and behind the point; values of which nothing is said nest 16 levels deep.
Strings, lists and recursion that the schema does not bound are not bounded here: max_tokens bounds them.
"""

from g4run.chat.grammars.compiler import SchemaCompiler
from g4run.chat.grammars.dialects import JsonDialect
from g4run.chat.grammars.free_values import FreeValues
from g4run.chat.grammars.keywords import read_schema
from g4run.chat.grammars.rules import Reference, Rules
from g4run.chat.messages import JsonValue


def compile_json_schema(schema: JsonValue) -> str:
    """The grammar of the JSON texts that satisfy a schema.

    Raises UsageError, with the keyword and the JSON pointer to it, where a keyword is not supported, a schema is
    broken or contradicts itself, or the grammar would get too large.
    """
    rules = Rules()
    return rules.render(_define_schema(rules, schema))


def json_grammar() -> str:
    """The grammar of any JSON object: what OpenAI calls "json_object" and Ollama "json"."""
    rules = Rules()
    return rules.render(define_json(rules, None))


def define_json(rules: Rules, schema: JsonValue) -> Reference:
    """Make the rules of the JSON texts that satisfy a schema, of any object where it is None; raises UsageError."""
    if schema is None:
        return FreeValues(rules, JsonDialect(rules)).any_object()
    return _define_schema(rules, schema)


def _define_schema(rules: Rules, schema: JsonValue) -> Reference:
    root = read_schema("the JSON schema", schema)
    return SchemaCompiler(root, rules, JsonDialect(rules)).define(root)
