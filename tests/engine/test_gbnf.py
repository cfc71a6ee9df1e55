"""What llama.cpp cannot parse, or would hang or end on, is refused with a reason."""

import pytest

from g4run.engine.gbnf_check import read_grammar

REFUSED = {
    "": "grammar: there is no rule named root",
    "# nothing": "grammar: there is no rule named root",
    'object ::= "a"': "grammar: there is no rule named root",
    'root ::= "a" value': "grammar: there is no rule named value",
    'root ::= ("a" | (value))': "grammar: there is no rule named value",
    'root = "a"': "grammar, line 1, column 6: ::= is expected",
    'root ::= "a': "grammar, line 1, column 12: a character, or an escape that GBNF has, is expected",
    'root ::= "\\q"': "grammar, line 1, column 11: a character, or an escape that GBNF has, is expected",
    "root ::= [a-": "grammar, line 1, column 13: a character, or an escape that GBNF has, is expected",
    'root ::= ("a"': "grammar, line 1, column 14: a closing parenthesis is expected",
    'root ::= "a" )': "grammar, line 1, column 14: the end of the rule is expected",
    'root ::= "a"\n\n% "b"': "grammar, line 3, column 1: the name of a rule is expected",
    "root ::= *": "grammar, line 1, column 10: the end of the rule is expected",
    'root ::= ""*': "grammar, line 1, column 12: there is nothing to repeat",
    'root ::= "a"{5,2}': "grammar, line 1, column 13: {5,2} must go from at most 2000 up to as much or more",
    'root ::= "a"{2001}': "grammar, line 1, column 13: {2001} must go from at most 2000 up to as much or more",
    'root ::= "a"{x}': "grammar, line 1, column 13: a repetition as *, +, ?, {m}, {m,} or {m,n} is expected",
    'root ::= "a"{99999999999999999999}': "grammar, line 1, column 13: a repetition as *, +, ?, {m}, {m,} or {m,n} is "
    "expected",
    "root ::= !<[5]>": "grammar, line 1, column 10: a token by exclusion, !<...>, would end llama.cpp: it is not "
    "supported",
    "root ::= <": "grammar, line 1, column 10: a token as <name> or <[id]> is expected",
    'root ::= root "a"': "grammar: left recursion, root -> root",
    'root ::= a\na ::= "x"? b\nb ::= a "y" | "z"': "grammar: left recursion, a -> b -> a",
    'root ::= b root "z" | "x"\nb ::= e\ne ::= "" | "y"': "grammar: left recursion, root -> root",
    'root ::= ("a" | root)*': "grammar: left recursion, root -> root",
    'root ::= "a\0b"': "grammar: a NUL character cannot be part of it",
    "root ::= " + "(" * 60 + '"a"' + ")" * 60: "grammar, line 1, column 60: parentheses are nested more than 50 deep",
    f'root ::= "{"a" * 1000}"{{2000}}': "grammar, line 1, column 1018: the grammar becomes more than 1000000 elements",
    "\n".join(["root ::= r0"] + [f"r{n} ::= r{n + 1}" for n in range(200)] + ['r200 ::= "a"']): (
        "grammar: more than 100 rules and groups begin with one another"
    ),
    "\n".join(["root ::= r0"] + [f'r{n} ::= r{n + 1} "a" | r{n + 1} "b"' for n in range(40)] + ['r40 ::= "a"']): (
        "grammar: a rule can begin at more than 100000 places, or too deep ones"
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_it_is_refused_with_its_reason(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_grammar(text)
    assert str(caught.value) == REFUSED[text]


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        read_grammar('root ::= "\ud800"')


def test_a_grammar_s_rules_and_tokens_are_read() -> None:
    read = read_grammar('root ::= <|turn> "a" | [^"\\\\é] <[5]>{2,3} # comment\nother ::=\n  "b"? (root | .)+ ""\n')
    assert list(read.rules) == ["root", "other"]
    assert (read.tokens, read.excludes_beyond_ascii) == ({"<|turn>", "<[5]>"}, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'root ::= [^"\\\x00-\x1f\x7f]', False),
        (r"root ::= [^\x80]", True),
        (r"root ::= [^a-\u00ff]", True),
        (r'root ::= [é] "é" [^a]', False),
        (r"root ::= [^\U0001F600]", True),
    ],
)
def test_classes_that_exclude_more_than_ascii_are_known(text: str, expected: bool) -> None:
    assert read_grammar(text).excludes_beyond_ascii is expected
