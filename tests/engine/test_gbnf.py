"""What llama.cpp cannot parse, or would hang or end on, is refused with a reason."""

import pytest

from g4run.engine.gbnf import Characters, Term
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


def terms(text: str) -> tuple[Term, ...]:
    (sequence,) = read_grammar(f"root ::= {text}\nother ::= [x]").rules["root"].sequences
    return sequence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"aé\n\x41\"\U0010FFFF\UFFFFFFFF"', Term(7, literal=(97, 0xE9, 10, 65, 34, 0x10FFFF, 0xFFFFFFFF))),
        ('""', Term()),
        ("[]", Term()),
        ("[^]", Term()),
        ("[a-cx]", Term(3, characters=Characters(((97, 99), (120, 120))))),
        ("[^a-]", Term(2, characters=Characters(((97, 97), (45, 45)), excludes=True))),
        (r"[-a--\]\-]", Term(5, characters=Characters(((45, 45), (97, 45), (93, 93), (45, 45))))),
        (r"[\u0041-\U0001F600]", Term(2, characters=Characters(((65, 0x1F600),)))),
        (".", Term(1, characters=Characters((), excludes=True))),
        ("<[7]>", Term(1, token="<[7]>")),
        ("<|turn>", Term(1, token="<|turn>")),
        ("other", Term(1, rule="other")),
        ("other*", Term(1, rule="other", least=0, most=None)),
        ('"ab"{2,5}', Term(2, literal=(97, 98), least=2, most=5)),
    ],
)
def test_what_a_grammar_consists_of_is_read_as_llama_cpp_reads_it(text: str, expected: Term) -> None:
    assert terms(text) == (expected,)
    assert terms(f'{text} "z" {text}') == (expected, Term(1, literal=(122,)), expected)


def test_groups_and_repetitions_of_repetitions_are_read() -> None:
    (group,) = terms('("a" | other | )+')
    assert group.group is not None and (group.least, group.most) == (1, None)
    assert group.group.sequences == ((Term(1, literal=(97,)),), (Term(1, rule="other"),), ())
    (twice,) = terms('"a"{2}{3}')
    assert twice.group is not None and (twice.least, twice.most) == (3, 3)
    assert twice.group.sequences == ((Term(1, literal=(97,), least=2, most=2),),)
