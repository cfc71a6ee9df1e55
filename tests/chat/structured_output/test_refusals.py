"""What no grammar can hold is refused by name and place, and what contradicts itself is, too."""

import pytest

from g4run.chat.messages import JsonValue, Tool
from g4run.chat.structured_output.json_schema import compile_json_schema
from g4run.chat.structured_output.tool_calls import tool_call_grammar
from g4run.errors import UsageError
from tests.chat.structured_output.matching import accepts, matcher

REFUSED: list[tuple[JsonValue, str]] = [
    ({"not": {}}, 'the JSON schema at #: the keyword "not" is not supported'),
    (
        {"properties": {"a/b": {"if": True}}},
        'the JSON schema at #/properties/a~1b: the keyword "if" is not supported',
    ),
    (
        {"type": "array", "items": {"contains": {}}},
        'the JSON schema at #/items: the keyword "contains" is not supported',
    ),
    ({"minimun": 3}, 'the JSON schema at #: the keyword "minimun" is not supported'),
    (
        {"type": "array", "uniqueItems": True},
        "the JSON schema at #/uniqueItems: uniqueItems cannot be enforced",
    ),
    ({"type": "string", "pattern": "(?=a)"}, "the JSON schema at #/pattern: the pattern (?=a) uses lookaround"),
    ({"type": "string", "pattern": "(?<!a)b"}, "the JSON schema at #/pattern: the pattern (?<!a)b uses lookaround"),
    ({"type": "string", "pattern": r"(a)\1"}, r"the JSON schema at #/pattern: the pattern (a)\1 uses a back reference"),
    (
        {"type": "string", "pattern": r"\bx"},
        r"the JSON schema at #/pattern: the pattern \bx uses \b, which is not supported",
    ),
    ({"type": "string", "pattern": "a)"}, "the JSON schema at #/pattern: the pattern a) has an unmatched )"),
    ({"type": "string", "pattern": "(a"}, "the JSON schema at #/pattern: the pattern (a has an unclosed ("),
    ({"type": "string", "pattern": "[a"}, "the JSON schema at #/pattern: the pattern [a has an unclosed ["),
    (
        {"type": "string", "pattern": "*a"},
        "the JSON schema at #/pattern: the pattern *a has a quantifier with nothing to repeat",
    ),
    (
        {"type": "string", "pattern": "a^b"},
        "the JSON schema at #/pattern: the pattern a^b has an anchor in the middle",
    ),
    ({"type": "integer", "format": "int128"}, 'the JSON schema at #/format: the format "int128" is not supported'),
    ({"format": "intt32"}, 'the JSON schema at #/format: the format "intt32" is not supported'),
    (
        {"properties": {"a": {"$id": "https://example.com/a", "$ref": "#/$defs/x"}}},
        "the JSON schema at #/properties/a/$id: an $id in a nested schema is not supported",
    ),
    (
        {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 2333007492142792},
        "the JSON schema at #/multipleOf: multiples of 0.25 cannot be enforced",
    ),
    (
        {"type": "number", "multipleOf": 0.07},
        "the JSON schema at #/multipleOf: multiples of 0.07 cannot be enforced",
    ),
    ({"type": "string", "format": "regex"}, 'the JSON schema at #/format: the format "regex" is not supported'),
    (
        {"type": "text"},
        "the JSON schema at #/type: must be one or more of null, boolean, integer, number, string, object, array",
    ),
    ({"type": "string", "minLength": -1}, "the JSON schema at #/minLength: must be a non-negative integer"),
    ({"type": "string", "minLength": "1"}, "the JSON schema at #/minLength: must be a number, not a string"),
    ({"type": "integer", "multipleOf": 0}, "the JSON schema at #/multipleOf: must be greater than 0"),
    ({"properties": []}, "the JSON schema at #/properties: must be an object, not a list"),
    (
        {"properties": {"a": 1}},
        "the JSON schema at #/properties/a: a schema must be an object or a boolean, not a number",
    ),
    ({"required": "a"}, "the JSON schema at #/required: must be a list, not a string"),
    ({"anyOf": []}, "the JSON schema at #/anyOf: must not be empty"),
    ({"$ref": "#/$defs/x"}, 'the JSON schema at #/$ref: there is nothing at "#/$defs/x"'),
    (
        {"$ref": "https://example.com/a.json"},
        "the JSON schema at #/$ref: only references into this schema (#/...) are supported, "
        'not "https://example.com/a.json"',
    ),
    (
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        "the JSON schema at #/oneOf: the branches may overlap; use anyOf",
    ),
    (
        {"type": "object", "additionalProperties": True, "minProperties": 2},
        "the JSON schema at #: minProperties 2 cannot be enforced with undeclared properties, whose names may repeat",
    ),
    ({"const": "\ud800"}, "the JSON schema at #/const: lists a value that JSON cannot represent"),
    (
        {"enum": ["a" * 40 + "b"], "pattern": "^(a*)*$"},
        "the JSON schema at #/pattern: the pattern is too complex to be combined with listed values or names",
    ),
    (
        {"properties": {"a" * 40 + "b": {}}, "patternProperties": {"^(a*)*$": {}}},
        "the JSON schema at #/patternProperties/^(a*)*$: the pattern ^(a*)*$ is too complex to be combined with listed "
        "values or names",
    ),
    ("string", "the JSON schema at #: a schema must be an object or a boolean, not a string"),
]
CONTRADICTIONS: list[tuple[JsonValue, str]] = [
    (
        {"type": "integer", "minimum": 5, "maximum": 3},
        "the JSON schema at #: no number lies between the bounds 5 and 3",
    ),
    (
        {"type": "integer", "exclusiveMinimum": 5, "maximum": 5},
        "the JSON schema at #: no number lies between the bounds 5 and 5",
    ),
    ({"type": "integer", "minimum": 1.2, "maximum": 1.8}, "the JSON schema at #: no number fits its bounds"),
    (
        {"type": "string", "minLength": 3, "maxLength": 2},
        "the JSON schema at #: minLength 3 is greater than maxLength 2",
    ),
    ({"type": "array", "minItems": 3, "maxItems": 2}, "the JSON schema at #: minItems 3 is greater than maxItems 2"),
    ({"enum": []}, "the JSON schema at #/enum: none of the listed values satisfies the schema"),
    ({"type": "integer", "enum": ["a"]}, "the JSON schema at #/enum: none of the listed values satisfies the schema"),
    (
        {"allOf": [{"type": "string"}, {"type": "null"}]},
        "the JSON schema at #/allOf/0/type: no type satisfies all schemas",
    ),
    (
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        'the JSON schema at #: the required property "a" is not allowed',
    ),
    (
        {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"], "maxProperties": 1},
        "the JSON schema at #: 2 properties are required, but at most 1 are allowed",
    ),
    (
        {"type": "array", "prefixItems": [{}], "minItems": 2},
        "the JSON schema at #: minItems 2 is more than the 1 items allowed",
    ),
    (False, "no value can satisfy the JSON schema"),
    ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "no value can satisfy the JSON schema"),
    ({"anyOf": [False, {"type": "array", "items": False, "minItems": 1}]}, "no value can satisfy the JSON schema"),
]


@pytest.mark.parametrize(("schema", "message"), REFUSED + CONTRADICTIONS)
def test_a_schema_is_refused_with_the_reason_and_the_place(schema: JsonValue, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_json_schema(schema)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"type": "integer", "minimum": 5, "maximum": 3}, {"type": "null"}]},
        {"type": "object", "patternProperties": {"^a": {}, "b$": {}}},
        {"type": "integer", "format": "date"},
        {"type": "string", "format": "int64"},
        {"type": "array", "uniqueItems": True, "maxItems": 1},
        {"type": "array", "uniqueItems": False},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"$ref": "#"},
        {"x-internal": 1, "$comment": "x", "default": {"not": 1}, "examples": [1], "deprecated": True},
        {
            "oneOf": [
                {"properties": {"a": {}}, "required": ["a"], "type": "object"},
                {"type": "object", "properties": {"b": {}}, "required": ["b"]},
            ]
        },
        {"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 4}, {"const": "x"}]},
        {"oneOf": [{"type": "integer"}, {"type": "number"}], "discriminator": {"propertyName": "kind"}},
    ],
)
def test_what_only_looks_wrong_is_taken(schema: JsonValue) -> None:
    matcher(compile_json_schema(schema))


@pytest.mark.parametrize(
    ("tools", "choice", "message"),
    [
        ([], None, "there is no tool to call"),
        ([Tool("a")], "b", 'there is no tool "b"'),
        ([Tool("a b")], None, 'the tool name "a b" cannot be written in a call'),
        (
            [Tool("a", "", {"type": "object", "properties": {"x": {"not": {}}}})],
            None,
            'the parameters of the tool "a" at #/properties/x: the keyword "not" is not supported',
        ),
        (
            [Tool("a", "", {"type": "string"})],
            None,
            'the parameters of the tool "a" at #: arguments are always an object; add "type": "object"',
        ),
        (
            [Tool("a", "", {"type": "object", "properties": {'<|"|>': {}}, "required": ['<|"|>']})],
            None,
            'the parameters of the tool "a" at #: the required property "<|"|>" cannot be written',
        ),
    ],
)
def test_tools_that_cannot_be_called_are_refused(tools: list[Tool], choice: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        tool_call_grammar(tools, choice)
    assert caught.value.message == message


def test_no_name_is_allowed_where_propertyNames_is_false() -> None:  # noqa: N802
    grammar = compile_json_schema({"propertyNames": False})
    assert accepts(grammar, "{}") and not accepts(grammar, '{"a": 1}')
    with pytest.raises(UsageError, match='the required property "a" cannot be written'):
        compile_json_schema({"propertyNames": False, "required": ["a"]})


def test_equal_numbers_in_an_enum_may_both_be_written() -> None:
    grammar = compile_json_schema({"enum": [1, 1.0, True]})
    assert [accepts(grammar, text) for text in ("1", "1.0", "true", "1.00")] == [True, True, True, False]
