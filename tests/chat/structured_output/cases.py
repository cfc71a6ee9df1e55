"""Schemas with values that satisfy them and values that do not, each value within what the compiler says it writes."""

from dataclasses import dataclass

from g4run.chat.messages import JsonValue

TREE: JsonValue = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name"],
            "additionalProperties": False,
        }
    },
}
SHAPES: JsonValue = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": "circle"}, "radius": {"type": "number", "exclusiveMinimum": 0}},
            "required": ["kind", "radius"],
        },
        {
            "type": "object",
            "properties": {"kind": {"const": "square"}, "side": {"type": "integer"}},
            "required": ["kind"],
        },
    ]
}


@dataclass(frozen=True, slots=True)
class Case:
    """`has_escapes` says that strings may be written with any escape."""

    name: str
    schema: JsonValue
    valid: tuple[JsonValue, ...]
    invalid: tuple[JsonValue, ...]
    has_escapes: bool = True


CASES = (
    Case("null", {"type": "null"}, (None,), (0, "", False)),
    Case("types", {"type": ["integer", "boolean"]}, (0, -7, True), (1.5, None, "1")),
    Case("nullable", {"type": "string", "nullable": True}, (None, "a"), (1,)),
    Case("any", True, (None, {"a": [1, {"b": "c"}]}, [[]], "x"), ()),
    Case("any of no keywords", {"title": "x", "description": "y"}, (None, 1.5, {"": []}), ()),
    Case(
        "length",
        {"type": "string", "minLength": 2, "maxLength": 4},
        ("ab", "日本語", "😀😀", 'a\n"b'),
        ("", "a", "abcde", "日本語日本"),
    ),
    Case(
        "great length",
        {"type": "string", "minLength": 3, "maxLength": 1_000},
        ("abc", "x" * 999, "x" * 1000),
        ("ab", "x" * 1001),
    ),
    Case(
        "pattern",
        {"type": "string", "pattern": "^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$"},
        ("555-1212", "(888)555-1212"),
        ("555-121", "(888)555-12123", "x555-1212"),
    ),
    Case("pattern inside", {"type": "string", "pattern": 'b+"?c'}, ("abbc", 'xb"cx'), ("ac", "b"), has_escapes=False),
    Case("pattern and length", {"type": "string", "pattern": "^a*$", "maxLength": 3}, ("", "aaa"), ("aaaa", "b")),
    Case(
        "date",
        {"type": "string", "format": "date"},
        ("2024-02-29", "1999-12-31"),
        ("2023-02-29", "2024-13-01", "2024-1-1"),
    ),
    Case(
        "date-time",
        {"type": "string", "format": "date-time"},
        ("2024-02-29T23:59:59Z", "2024-01-01T00:00:00.5+01:30"),
        ("2024-02-29", "2024-01-01T24:00:00Z"),
    ),
    Case(
        "uuid",
        {"type": "string", "format": "uuid"},
        ("2eb8aa08-aa98-11ea-b4aa-73b441d16380",),
        ("2eb8aa08aa9811eab4aa73b441d16380",),
    ),
    Case(
        "addresses",
        {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]},
        ("127.0.0.1", "::1", "fe80::1:2", "1:2:3:4:5:6:7:8"),
        ("256.0.0.1", "1::2::3", ":1"),
    ),
    Case("integer range", {"type": "integer", "minimum": -3, "maximum": 120}, (-3, 0, 9, 99, 120), (-4, 121, 1.5, 999)),
    Case("integer from", {"type": "integer", "exclusiveMinimum": 99}, (100, 101, 10**15), (99, 0, -1)),
    Case("integer to", {"type": "integer", "maximum": -5}, (-5, -12345), (-4, 0, 5)),
    Case("multiple", {"type": "integer", "multipleOf": 15, "minimum": 0}, (0, 15, 300), (1, 10, -15)),
    Case(
        "number range",
        {"type": "number", "minimum": -0.5, "exclusiveMaximum": 2.25},
        (-0.5, 0, 1, 2.2499, 0.125),
        (-0.51, 2.25, 3, -1),
    ),
    Case(
        "number multiple",
        {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 10},
        (0.01, 9.99, 10, 1.5),
        (0.001, 10.01),
    ),
    Case("number", {"type": "number"}, (0, -1.5, 1e-7, 6.02e23, 12345678901234567890), ("1", None)),
    Case(
        "draft 4 bounds",
        {"type": "integer", "minimum": 1, "exclusiveMinimum": True, "maximum": 4, "exclusiveMaximum": True},
        (2, 3),
        (1, 4),
    ),
    Case("int32", {"type": "integer", "format": "int32"}, (2**31 - 1, -(2**31)), (2**31, -(2**31) - 1)),
    Case(
        "enum",
        {"enum": ["a", "ab", 'b"', "é", 1, 1.5, None, True, {"x": [1, "y"]}, []]},
        ("a", "ab", "é", 1, 1.5, None, True, {"x": [1, "y"]}, []),
        ("b", 2, False, {}, "aba"),
        has_escapes=False,
    ),
    Case("enum of a type", {"type": ["string", "null"], "enum": ["a", "b", 1, None]}, ("a", None), (1, "c")),
    Case("const", {"const": {"a": "b", "n": 1}}, ({"a": "b", "n": 1},), ({"a": "b"}, {"n": 1, "a": "c"})),
    Case(
        "object",
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "boolean"}},
            "required": ["b"],
        },
        ({"b": "x"}, {"a": 1, "b": "x"}, {"b": "x", "c": True}, {"a": 1, "b": "", "c": False}),
        ({}, {"a": 1}, {"a": 1, "c": True}, {"b": 1}, {"b": "x", "d": 1}),
    ),
    Case(
        "nothing required",
        {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}},
        ({}, {"a": None}, {"b": None}, {"a": None, "b": None}),
        ({"c": None}, [], None),
    ),
    Case(
        "additional",
        {"type": "object", "properties": {"ab": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
        ({}, {"ab": 1}, {"ab": 1, "a": "x", "abc": "y"}, {"": "x"}),
        ({"ab": "x"}, {"a": 1}),
    ),
    Case(
        "map",
        {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 2},
        ({"a": 1}, {"a": 1, "b": 2}),
        ({}, {"a": 1, "b": 2, "c": 3}, {"a": "x"}),
    ),
    Case(
        "count of properties",
        {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 2, "maxProperties": 2},
        ({"a": 1, "c": 2}, {"b": 1, "c": 2}),
        ({}, {"a": 1}, {"a": 1, "b": 2, "c": 3}),
    ),
    Case(
        "patterns of names",
        {
            "type": "object",
            "properties": {"x_a": {"type": "null"}},
            "patternProperties": {"^x_": {}, "^n": {"type": "integer"}},
            "additionalProperties": False,
        },
        ({"x_a": None, "x_b": 1, "n": 2}, {}, {"nn": 3}),
        ({"x_a": 1}, {"n": "x"}, {"y": 1}),
    ),
    Case(
        "names",
        {"type": "object", "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 3}, "additionalProperties": True},
        ({"abc": 1}, {}),
        ({"abcd": 1}, {"A": 1}),
    ),
    Case("forbidden property", {"type": "object", "properties": {"a": False, "b": True}}, ({}, {"b": 1}), ({"a": 1},)),
    Case(
        "array",
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        ([1], [1, 2, 3]),
        ([], [1, 2, 3, 4], ["a"]),
    ),
    Case(
        "long array",
        {"type": "array", "items": {"type": "null"}, "minItems": 60, "maxItems": 70},
        ([None] * 60, [None] * 70),
        ([None] * 59, [None] * 71),
    ),
    Case(
        "tuple",
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": {"type": "boolean"},
            "minItems": 2,
        },
        ([1, "a"], [1, "a", True, False]),
        ([1], [1, 2], [1, "a", 3]),
    ),
    Case(
        "draft 4 tuple",
        {"type": "array", "items": [{"type": "integer"}], "additionalItems": False},
        ([], [1]),
        ([1, 2], ["a"]),
    ),
    Case(
        "nested arrays",
        {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}},
        ([], [[]], [[[1, 2], []], []]),
        ([1], [[1]]),
    ),
    Case(
        "any of",
        {
            "anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer"}, {"$ref": "#/$defs/b"}],
            "$defs": {"b": {"type": "boolean"}},
        },
        ("ab", 5, True),
        ("abc", 1.5, None),
    ),
    Case(
        "any of beside",
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        ({"a": 1}, {"b": 1}, {"a": 1, "b": 2}),
        ({},),
    ),
    Case(
        "all of",
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"$ref": "#/definitions/B"},
            ],
            "definitions": {"B": {"properties": {"b": {"type": "string"}}, "required": ["b"]}},
        },
        ({"a": 1, "b": "x"},),
        ({"a": 1}, {"b": "x"}),
    ),
    Case(
        "all of numbers",
        {"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 5}]},
        (3, 5),
        (2, 6, 3.5),
    ),
    Case(
        "ref with siblings",
        {"$defs": {"s": {"type": "string", "minLength": 2}}, "$ref": "#/$defs/s", "maxLength": 3},
        ("ab", "abc"),
        ("a", "abcd"),
    ),
    Case("escaped pointer", {"$defs": {"a/b~c d": {"type": "null"}}, "$ref": "#/$defs/a~1b~0c%20d"}, (None,), (1,)),
    Case(
        "tree",
        TREE,
        ({"name": "a"}, {"name": "a", "children": [{"name": "b", "children": []}, {"name": "c"}]}),
        ({}, {"name": "a", "children": [{}]}, {"children": []}),
    ),
    Case(
        "recursive root",
        {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]},
        ({"next": None}, {"next": {"next": None}}),
        ({}, {"next": {}}),
    ),
    Case(
        "one of",
        SHAPES,
        ({"kind": "circle", "radius": 0.5}, {"kind": "square", "side": 3}, {"kind": "square"}),
        ({"kind": "circle"}, {"kind": "circle", "side": 3}, {"radius": 1}, {"kind": "circle", "radius": 0}),
    ),
)
