"""The grammars that schemas and tools become permit what is valid and nothing else."""

import json

import pytest

from g4run.chat.messages import JsonValue, Tool
from g4run.chat.structured_output.json_schema import ANY_OBJECT, compile_json_schema
from g4run.chat.structured_output.tool_calls import calls_or_json_grammar, tool_call_grammar
from tests.chat.structured_output.cases import CASES, Case
from tests.chat.structured_output.matching import accepts


def json_texts(case: Case, value: JsonValue) -> list[str]:
    """The ways in which clients' libraries write a value."""
    texts = [
        json.dumps(value, ensure_ascii=False),
        json.dumps(value, ensure_ascii=False, separators=(",", ":")),
        json.dumps(value, ensure_ascii=False, indent=2),
        json.dumps(value, ensure_ascii=False, indent="\t"),
    ]
    return [*texts, json.dumps(value)] if case.has_escapes else texts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_valid_is_permitted_and_nothing_else(case: Case) -> None:
    grammar = compile_json_schema(case.schema)
    valid = [text for value in case.valid for text in json_texts(case, value)]
    invalid = [text for value in case.invalid for text in json_texts(case, value)]
    assert [text for text in valid if not accepts(grammar, text)] == []
    assert [text for text in invalid if accepts(grammar, text)] == []


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("{}", True),
        ('{"a": [1, -2.5e-7, true, null, {"é": "\\ud83d\\ude00\\n"}]}', True),
        ('{\n  "a": 1,\n  "b": [\n    2\n  ]\n}', True),
        ("[]", False),
        ('"text"', False),
        ('{"a": 1,}', False),
        ('{"a":  1}', False),
        ("{\n\n}", False),
        ('{"a": "\n"}', False),
        ('{"a": "\\ud83d"}', False),
        ('{"a": 01}', False),
        ('{"a": 1', False),
        (' {"a": 1}', False),
        ('{"a": 1} ', False),
    ],
)
def test_json_mode(text: str, is_valid: bool) -> None:
    assert accepts(compile_json_schema(ANY_OBJECT), text) is is_valid


TOOLS = [
    Tool(
        "search",
        "",
        {
            "type": "object",
            "properties": {
                "query": {"type": "string"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 50},
                "tags": {"type": "array", "items": {"enum": ["a<", "b"]}},
                "zip:code": {"type": "string", "pattern": "^[0-9]{5}$"},
            },
            "required": ["query"],
        },
    ),
    Tool("now"),
]
Q = '<|"|>'
CALLS = [
    (f'<|tool_call>call:search{{query:{Q}a {{b}}, "c"\n<|x{Q}}}<tool_call|>', True),
    (f'<|tool_call>call:search{{query:{Q}<|"|{Q},limit:50}}<tool_call|>', True),
    (f"<|tool_call>call:search{{query:{Q}{Q},tags:[{Q}a<{Q},{Q}b{Q}]}}<tool_call|>", True),
    (f"<|tool_call>call:search{{query:{Q}x{Q},{Q}zip:code{Q}:{Q}01234{Q}}}<tool_call|>", True),
    ("<|tool_call>call:now{}<tool_call|><|tool_call>call:now{}<tool_call|>", True),
    (f"<|tool_call>call:search{{query:{Q}x{Q},limit:51}}<tool_call|>", False),
    ("<|tool_call>call:search{limit:5}<tool_call|>", False),
    ("<|tool_call>call:search{query:x}<tool_call|>", False),
    (f"<|tool_call>call:search{{query:{Q}x{Q},zip:code:{Q}01234{Q}}}<tool_call|>", False),
    (f"<|tool_call>call:search{{query:{Q}x{Q},tags:[{Q}a{Q}]}}<tool_call|>", False),
    ("<|tool_call>call:find{}<tool_call|>", False),
    ("<|tool_call>call:now{}", False),
    ("I call now. <|tool_call>call:now{}<tool_call|>", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "is_valid"), CALLS)
def test_calls(text: str, is_valid: bool) -> None:
    assert accepts(tool_call_grammar(TOOLS), text, has_tags=True) is is_valid


def test_a_tag_that_is_only_spelled_out_is_none() -> None:
    assert not accepts(tool_call_grammar(TOOLS, "now"), "<|tool_call>call:now{}<tool_call|>")


def test_only_the_named_tool_and_only_so_many_calls() -> None:
    call = "<|tool_call>call:now{}<tool_call|>"
    grammar = tool_call_grammar(TOOLS, "now", most=2)
    assert [accepts(grammar, call * count, has_tags=True) for count in range(4)] == [False, True, True, False]
    other = f"<|tool_call>call:search{{query:{Q}x{Q}}}<tool_call|>"
    assert not accepts(grammar, other, has_tags=True)


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ('{"ok": true}', True),
        ("<|tool_call>call:ping{}<tool_call|>", True),
        ("<|tool_call>call:ping{}<tool_call|><|tool_call>call:ping{}<tool_call|>", True),
        ('{"ok": 1}', False),
        ('{"ok": true}<|tool_call>call:ping{}<tool_call|>', False),
        ('<|tool_call>call:ping{}<tool_call|>{"ok": true}', False),
        ("<|tool_call>call:pong{}<tool_call|>", False),
    ],
)
def test_calls_or_json(text: str, is_valid: bool) -> None:
    schema: JsonValue = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    grammar = calls_or_json_grammar([Tool("ping")], schema)
    assert accepts(grammar, text, has_tags=True) is is_valid


def test_calls_or_any_object() -> None:
    grammar = calls_or_json_grammar([Tool("ping")], ANY_OBJECT)
    assert accepts(grammar, '{"a": [1]}') and not accepts(grammar, "[1]")
    assert accepts(grammar, "<|tool_call>call:ping{}<tool_call|>", has_tags=True)
