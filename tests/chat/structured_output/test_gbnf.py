"""GBNF is read as llama.cpp reads it: what is wrong is refused with line and column, what is right permits the same."""

import itertools
import re

import pytest

from g4run.chat.structured_output.gbnf import read_gbnf
from g4run.errors import UsageError
from tests.chat.structured_output.matching import accepts, matcher

REFUSED = {
    "": "grammar: there is no rule named root",
    "# nothing": "grammar: there is no rule named root",
    'object ::= "a"': "grammar: there is no rule named root",
    'root ::= "a" value': "grammar: there is no rule named value",
    'root ::= ("a" | (value))': "grammar: there is no rule named value",
    'root = "a"': "grammar, line 1, column 6: expected ::=",
    'root ::= "a': "grammar, line 1, column 12: expected a character or one of GBNF's escapes",
    'root ::= "\\q"': "grammar, line 1, column 11: expected a character or one of GBNF's escapes",
    "root ::= [a-": "grammar, line 1, column 13: expected a character or one of GBNF's escapes",
    'root ::= ("a"': "grammar, line 1, column 14: expected a closing parenthesis",
    'root ::= "a" )': "grammar, line 1, column 14: expected the end of the rule",
    'root ::= "a"\n\n% "b"': "grammar, line 3, column 1: expected the name of a rule",
    "root ::= *": "grammar, line 1, column 10: expected the end of the rule",
    'root ::= ""*': "grammar, line 1, column 12: there is nothing to repeat",
    'root ::= "a"{5,2}': "grammar, line 1, column 13: {5,2} must start at 2000 or less and not end below its start",
    'root ::= "a"{2001}': "grammar, line 1, column 13: {2001} must start at 2000 or less and not end below its start",
    'root ::= "a"{x}': "grammar, line 1, column 13: expected a repetition as *, +, ?, {m}, {m,} or {m,n}",
    'root ::= "a"{99999999999999999999}': "grammar, line 1, column 13: expected a repetition as *, +, ?, {m}, {m,} or "
    "{m,n}",
    "root ::= !<[5]>": "grammar, line 1, column 10: excluding a token, !<...>, is not supported",
    "root ::= <": "grammar, line 1, column 10: expected a token as <name> or <[id]>",
    'root ::= root "a"': "grammar: no text satisfies it",
    'root ::= "a" other\nother ::= "b" root': "grammar: no text satisfies it",
    "root ::= [\\uD800-\\uDFFF]": "grammar: no text satisfies it",
    "root ::= " + "(" * 60 + '"a"' + ")" * 60: "grammar, line 1, column 60: parentheses are nested more than 50 deep",
}


@pytest.mark.parametrize("text", REFUSED)
def test_it_is_refused_with_its_reason(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_gbnf(text)
    assert caught.value.message == REFUSED[text]


@pytest.mark.parametrize(
    ("text", "accepted", "refused"),
    [
        (r'"aé\n\x41\"\U0010FFFF"', ['aé\nA"\U0010ffff'], ["a", ""]),
        (r'"a" | "\UFFFFFFFF"', ["a"], ["\uffff"]),
        ('""', [""], ["a"]),
        ("[]", [""], ["a"]),
        ("[^]", [""], ["a"]),
        ("[a-cx]", ["a", "b", "c", "x"], ["d", "-", ""]),
        ("[^a-]", ["b", "\n", "é", "😀"], ["a", "-", "bb"]),
        (r"[-a--\]\-]", ["-", "]"], ["a", "\\"]),
        (r"[\u0041-\U0001F600]", ["A", "😀", "é"], ["@", "\U0001f601"]),
        (r"[\uD700-\uE100]", ["\ud700", "\ue100"], ["\ue101"]),
        (".", ["a", "\n", "\0", "😀"], ["", "ab"]),
        ("other*", ["", "x", "xxx"], ["xa"]),
        ('"ab"{2,5}', ["abab", "ab" * 5], ["ab", "ab" * 6, "aba"]),
        ('"a"{0,2001}', ["a" * 2005], ["b"]),
        ('"a"{2}{3}', ["a" * 6], ["a" * 5]),
        ('("a" | other | )+', ["", "axa"], ["b"]),
        ('("a" | "ab") "bc"', ["abc", "abbc"], ["ab"]),
        ('[a-z]+ "a"', ["aa", "bca"], ["a", "ab"]),
        ('| "x"', ["", "x"], ["xx"]),
        ('"x" # a comment\n', ["x"], ["x "]),
        ('root "a" | "b"', ["b", "baa"], ["a"]),
        ('"(" root ")" | ( # nested\n "x"\n)', ["x", "((x))"], ["(x"]),
        ("<|turn>", ["<|turn>"], ["", "<"]),
        ('"a" <[7]>? [<] "x"', ["a<x"], ["ax"]),
    ],
)
def test_a_grammar_permits_what_it_does_in_llama_cpp(text: str, accepted: list[str], refused: list[str]) -> None:
    grammar = read_gbnf(f"root ::= {text}\nother ::= [x]\n")
    has_tags = "<|turn>" in text
    assert [each for each in accepted if not accepts(grammar, each, has_tags=has_tags)] == []
    assert [each for each in refused if accepts(grammar, each, has_tags=has_tags)] == []


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ('root ::= ("a" | "b" "a"?)* "c"?', "(a|ba?)*c?"),
        ('root ::= one{1,2} | one "c"\none ::= [ab] | "ab" | ', "((a|b|ab)?){1,2}|(a|b|ab)?c"),
        ('root ::= ("ab" | "a" | "bc"){2} [^a]', "(ab|a|bc){2}[^a]"),
        ('root ::= ("a"{1,} "b"?){2,} .?', "(a+b?){2,}.?"),
    ],
)
def test_a_grammar_permits_the_same_as_an_expression(text: str, expression: str) -> None:
    grammar = read_gbnf(text)
    words = ["".join(letters) for count in range(5) for letters in itertools.product("abc", repeat=count)]
    assert [word for word in words if accepts(grammar, word)] == [
        word for word in words if re.fullmatch(expression, word)
    ]


def test_deep_chains_of_rules_are_taken() -> None:
    chain = "\n".join(["root ::= r0"] + [f"r{n} ::= r{n + 1}" for n in range(200)] + ['r200 ::= "a"'])
    assert accepts(read_gbnf(chain), "a")
    twice = [f'r{n} ::= r{n + 1} "a" | r{n + 1} "b"' for n in range(40)]
    matcher(read_gbnf("\n".join(["root ::= r0", *twice, 'r40 ::= "a"'])))
