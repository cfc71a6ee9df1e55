"""Numbers between bounds are those that arithmetic finds, and patterns match what Python's engine says."""

import json
import re
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.json_schema import compile_json_schema
from g4run.chat.structured_output.patterns import NotSupported, translate_pattern
from g4run.errors import UsageError
from tests.chat.structured_output.matching import accepts

DECIMALS = st.decimals(-1200, 1200, places=2) | st.integers(-(10**11), 10**11).map(Decimal)


@settings(max_examples=150, deadline=None)
@given(DECIMALS, DECIMALS, st.booleans(), st.booleans(), st.booleans(), st.lists(DECIMALS, max_size=8))
@example(Decimal(0), Decimal("0.5"), True, False, False, [Decimal(0)])
@example(Decimal("-0.5"), Decimal(0), False, True, False, [Decimal(0)])
def test_a_number_is_permitted_where_it_is_between_the_bounds(
    one: Decimal, other: Decimal, excludes_low: bool, excludes_high: bool, is_integer: bool, values: list[Decimal]
) -> None:
    low, high = sorted((one, other))
    schema = {
        "type": "integer" if is_integer else "number",
        "exclusiveMinimum" if excludes_low else "minimum": json.loads(str(low)),
        "exclusiveMaximum" if excludes_high else "maximum": json.loads(str(high)),
    }
    try:
        grammar = compile_json_schema(schema)
    except UsageError as error:
        assert "no number" in error.message
        return
    digit = Decimal("0.01")
    for value in (*values, low, high, low - digit, low + digit, high - digit, high + digit, (low + high) / 2):
        if value != value.quantize(digit) or abs(value) > 10**11:
            continue
        fits = (low < value or (low == value and not excludes_low)) and (
            value < high or (value == high and not excludes_high)
        )
        whole = value == value.to_integral_value()
        text = str(int(value)) if whole else f"{value:f}"
        assert accepts(grammar, text) is (fits and (whole or not is_integer)), text
        if not whole and fits and not is_integer:
            assert accepts(grammar, text.rstrip("0")) and accepts(grammar, text + "0")


@pytest.mark.parametrize(
    ("schema", "permitted", "refused"),
    [
        ({"type": "integer", "multipleOf": 7, "minimum": -20}, ["-14", "0", "7", "700"], ["-21", "6", "7.0"]),
        ({"type": "number", "multipleOf": 0.5, "exclusiveMaximum": 2}, ["1.5", "1", "-0.5"], ["2", "1.25"]),
        ({"multipleOf": 1, "minimum": 2**53 - 12, "type": "integer"}, [str(2**53 - 12)], [str(2**53 - 13)]),
        ({"type": "integer", "multipleOf": 5, "maximum": 0}, ["0", "-5"], ["5", "-4"]),
        ({"type": "integer", "multipleOf": 5, "minimum": 0}, ["0", "5"], ["-5", "4"]),
        ({"type": "integer", "multipleOf": 2.5}, ["5", "-10"], ["2", "2.5"]),
        ({"allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "type": "integer"}, ["12", "24"], ["4", "6"]),
        ({"type": "integer", "format": "int64"}, [str(2**63 - 1), str(-(2**63))], [str(2**63)]),
        ({"type": "integer", "minimum": 2**53 + 1}, [str(2**53 + 1)], [str(2**53)]),
        ({"type": "number", "maximum": 2.25}, ["2.2", "2.25", "2.250", "2", "-7.5"], ["2.26", "2.2500000001"]),
        ({"type": "number"}, ["1e300", "-5E-8"], ["1e999", "1" * 30]),
    ],
)
def test_numbers(schema: JsonValue, permitted: list[str], refused: list[str]) -> None:
    grammar = compile_json_schema(schema)
    assert [text for text in permitted if not accepts(grammar, text)] == []
    assert [text for text in refused if accepts(grammar, text)] == []


PATTERNS = [
    "^a|b$",
    'b+"?c',
    "^(?:a|b){2,3}$",
    "(^a$)|(^b|c$)",
    "^[^a-c]$",
    '^[^"]$',
    r"^[^\\]$",
    r"^[\x00-\x1f]$",
    r"^\S\s\w\W\d\D$",
    "^[a-z&&[^b]]$",
    "^[[a]$",
    r"^[-\dx]+$",
    "^.$",
    "^a{x}$",
    "a/b",
    "(?<year>[0-9]{2})-",
    "",
]
TEXTS = [
    "",
    "a",
    "b",
    "c",
    "ab",
    "ba",
    "abb",
    '"',
    "\\",
    "\n",
    "\x1f",
    'b"c',
    "bc",
    "é",
    "😀",
    "[",
    "&]",
    "b]",
    "x1",
    "-",
]
TEXTS += ["x 1!0\n", "é\x0b_-5a", "a{x}", "a/b", "x a/b", "12-", "1-"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_permits_the_strings_in_which_it_is_found(pattern: str) -> None:
    grammar = compile_json_schema({"type": "string", "pattern": pattern})
    python = re.compile(pattern.replace("?<", "?P<").replace("&&[", r"\&\&\[").replace("[[", r"[\["), re.ASCII)
    found = [text for text in TEXTS if accepts(grammar, json.dumps(text, ensure_ascii=False))]
    assert found == [text for text in TEXTS if python.search(text)]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a**", "has a quantifier after a quantifier"),
        ("a{2}{3}", "has a quantifier after a quantifier"),
        ("(a{1,2000}){1,20}", "is too complex"),
        ("(a|^b)c", "has an anchor in the middle"),
        ("(?i)a", "uses an unknown group"),
        (r"\p{L}", r"uses \p, which is not supported"),
        (r"\ud800", "names an invalid code point"),
        ("[z-a]", "is not a regular expression: bad character range"),
        ("\\", "ends in a backslash"),
    ],
)
def test_a_pattern_is_refused_with_its_reason(pattern: str, message: str) -> None:
    with pytest.raises(NotSupported) as caught:
        translate_pattern(pattern)
    assert str(caught.value).startswith(message)


def test_free_names_are_apart_from_declared_ones() -> None:
    """However they are escaped: a reader of JSON would take the last of two equal names."""
    schema: JsonValue = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, 'q"\x01': {"type": "integer"}},
        "patternProperties": {"^x": {"type": "null"}},
        "additionalProperties": {"type": "string"},
    }
    grammar = compile_json_schema(schema)
    permitted = ['{"a": 1}', '{"b": "c"}', '{"q\\"\\u0001": 1}', '{"q\\"": "c"}', '{"xa": null}', '{"b\\n": ""}']
    refused = ['{"a": "b"}', '{"\\u0061": "b"}', '{"q\\"\\u0001": ""}', '{"x": "b"}', '{"\\u0078": "b"}']
    assert [text for text in permitted if not accepts(grammar, text)] == []
    assert [text for text in refused if accepts(grammar, text)] == []
