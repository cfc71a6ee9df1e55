"""Grammars are checked before an engine sees them, in bounded time, and whatever they are the process lives on."""

import json
import subprocess
import sys

import pytest

from g4run.engine.grammar_check import MAX_GRAMMAR_LINES, check_grammar


@pytest.mark.parametrize(
    "lark",
    [
        'start: "a"',
        'start: %json {"type": "object"}',
        'start: <|tool_call> "x" <tool_call|> <unknown>',
        "start: <[7]> <[262143]> <[5-9,300]>",
        'start: %json {"type": "number", "multipleOf": 0.01}',
        'start: %json {"properties": {"multipleOf": {"multipleOf": 1000}, "x": {"const": {"multipleOf": "x"}}}}',
        "start: T\nT: /[^<]*/ & ~/.*x.*/",
    ],
)
def test_what_llguidance_can_use_passes(lark: str) -> None:
    check_grammar(lark)


@pytest.mark.parametrize(
    ("lark", "reason"),
    [
        ("", "grammar: Empty grammar"),
        ("start: ]", "grammar, line 1, column 8: expecting rule, token or statement (at \"]\" (']'))"),
        ('root: "a"', "grammar: no start rule found"),
        ('start: "x" other\nother: "a" b', 'grammar, line 2, column 8: unknown name: "b"'),
        ('start: "a', "grammar, line 1, column 10: lexer error"),
        ("start: /(/", 'grammar, line 1, column 8: invalid regex "(" (in regex): regex parse error: unclosed group'),
        (
            'start: %json {"not": {}}',
            'grammar, line 1, column 8: failed to compile JSON schema: Unimplemented keys: ["not"]',
        ),
        ('{"grammars": []}', "grammar, line 1, column 1: expected Lark, not JSON"),
        ("start: \ud800", "'utf-8' codec can't encode character '\\ud800' in position 7: surrogates not allowed"),
    ],
)
def test_what_it_cannot_use_is_refused_with_its_place(lark: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_grammar(lark)
    assert str(caught.value) == reason


def multiples(*values: float) -> str:
    return "start: %json " + json.dumps({"allOf": [{"type": "number", "multipleOf": value} for value in values]})


@pytest.mark.parametrize(
    ("lark", "reason"),
    [
        (multiples(999_983), "multipleOf"),
        (multiples(9973, 9967), "multipleOf"),
        (multiples(0.99999), "multipleOf"),
        ('start: %json {"multipleOf": 1e999999999}', "multipleOf"),
        ('start: %json {"multiple\\u004ff": 999983}', "multipleOf"),
        ('start: "' + "a" * (1 << 20) + '"', "too large"),
        ("start: a\n" * (MAX_GRAMMAR_LINES + 1), "too large"),
        ("start: T0\n" + "".join(f"T{n}: T{n + 1} T{n + 1}\n" for n in range(40)) + 'T40: "z"', "too big"),
        (
            'start: %json {"enum": [' + ",".join(f'"{number}"' for number in range(40_000)) + "]}",
            "too big",
        ),
    ],
)
def test_what_would_take_minutes_or_gigabytes_is_refused(lark: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_grammar(lark)


@pytest.mark.parametrize(
    "lark",
    [
        "start: r0\n" + "".join(f'r{number}: "x" r{number + 1}?\n' for number in range(9000)) + 'r9000: "z"',
        "start: r0\n" + "".join(f"r{number}: r{number + 1}\n" for number in range(9000)) + 'r9000: "z"',
        "start: " + "(" * 50_000 + '"z"' + ")" * 50_000,
        "start: /" + "(" * 50_000 + "z" + ")" * 50_000 + "/",
        "start: %json " + '{"items":' * 30_000 + "{}" + "}" * 30_000,
    ],
    ids=["rules", "names", "groups", "expression", "schema"],
)
def test_however_deep_a_grammar_is_the_process_lives_on(lark: str) -> None:
    """llguidance follows rules recursively: in a thread's usual 8 MB, 2,500 of them end the process."""
    program = "import sys\nfrom g4run.engine.grammar_check import check_grammar\ncheck_grammar(sys.stdin.read())"
    ended = subprocess.run([sys.executable, "-c", program], input=lark, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0 or ended.stderr.splitlines()[-1].startswith("ValueError: grammar")
