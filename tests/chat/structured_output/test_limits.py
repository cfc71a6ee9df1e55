"""Schemas that are large, deep or hostile become small grammars, or are refused."""

import pytest

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.json_schema import compile_json_schema
from g4run.errors import UsageError
from tests.chat.structured_output.matching import matcher


def nested(levels: int) -> JsonValue:
    schema: JsonValue = {"type": "integer"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def forks(levels: int) -> JsonValue:
    """References of which every level has two: 2^levels ways down."""
    definitions: dict[str, JsonValue] = {"0": {"type": "null"}}
    for level in range(1, levels + 1):
        below = {"$ref": f"#/$defs/{level - 1}"}
        definitions[str(level)] = {
            "anyOf": [below, {"type": "array", "items": {"anyOf": [below, {"type": "integer"}]}}]
        }
    return {"$ref": f"#/$defs/{levels}", "$defs": definitions}


def choices(count: int) -> JsonValue:
    """Pairs of which one each has to be chosen."""
    pairs = [{"anyOf": [{"required": [f"a{index}"]}, {"required": [f"b{index}"]}]} for index in range(count)]
    return {"type": "object", "allOf": pairs}


@pytest.mark.parametrize(
    ("schema", "most_characters"),
    [
        ({"type": "string", "maxLength": 10**9}, 20_000),
        ({"type": "string", "minLength": 10**9 - 7, "maxLength": 10**9}, 20_000),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 10**6, "maxItems": 10**12}, 20_000),
        ({"type": "string", "pattern": "^[a-z]{1,500}$", "maxLength": 10**9}, 20_000),
        ({"type": "integer", "minimum": -(10**300), "maximum": 10**300}, 200_000),
        ({"enum": [f"value {number}" for number in range(9_000)]}, 200_000),
        ({"const": "x" * 100_000}, 101_000),
        ({"type": "object", "properties": {f"property_{number}": {} for number in range(1_000)}}, 500_000),
        (nested(60), 50_000),
        (forks(20), 50_000),
        ({"type": "string", "pattern": "^(a*)*(b*|a*)*$"}, 200),
        ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 10**6}, 300),
        ({"type": "string", "pattern": "(a|b)*a(a|b){20}"}, 300),
    ],
)
def test_great_counts_become_small_grammars(schema: JsonValue, most_characters: int) -> None:
    grammar = compile_json_schema(schema)
    assert len(grammar) < most_characters
    matcher(grammar)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (nested(10_000), "the JSON schema nests deeper than 128 levels"),
        ({"enum": list(range(10**6))}, "the JSON schema at #/enum: too many values to enforce"),
        ({"const": "x" * 10**7}, "the JSON schema at #/const: too many values to enforce"),
        (choices(30), "the JSON schema is too large to enforce"),
        (
            {"type": "string", "maxLength": 10**300},
            "the JSON schema at #/maxLength: must be at most 1000000000000000000",
        ),
        (
            {"type": "integer", "maximum": 10**5000},
            "the JSON schema at #/maximum: must be a number with at most 400 digits",
        ),
        (
            {"type": "integer", "multipleOf": 999_983},
            "the JSON schema at #/multipleOf: multiples of 999983 cannot be enforced",
        ),
        (
            {"type": "string", "pattern": "((a{1,99}){1,99}){1,99}"},
            "the JSON schema at #/pattern: the pattern ((a{1,99}){1,99}){1,99} is too complex",
        ),
        (
            {"type": "string", "pattern": "(" * 5_000},
            f"the JSON schema at #/pattern: the pattern {'(' * 80} nests groups more than 60 deep",
        ),
        (
            {"type": "object", "properties": {str(number): {} for number in range(1_001)}},
            "the JSON schema at #: an object has too many properties",
        ),
        (
            {"type": "object", "properties": {str(number): {} for number in range(101)}, "minProperties": 50},
            "the JSON schema at #: an object has too many properties",
        ),
        (
            {"type": "object", "patternProperties": {f"^{number}x": {} for number in range(31)}},
            "the JSON schema at #/patternProperties: more than 30 are not supported",
        ),
    ],
)
def test_what_would_become_too_large_is_refused(schema: JsonValue, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_json_schema(schema)
    assert caught.value.message == message
