"""Automata against what they stand for: Python's own expressions and exact numbers."""

import re
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4run.chat.grammars import characters
from g4run.chat.grammars.automata import Automaton, complement, intersect, lengths, of_lengths, of_words
from g4run.chat.grammars.formats import compile_format
from g4run.chat.grammars.numbers import NumberBounds, compile_number
from g4run.chat.grammars.patterns import compile_pattern

PATTERNS = [
    "",
    "^$",
    "abc",
    "^a*b$",
    "^a|b$",
    "(^a)?b",
    "^(foo|bar)+$",
    "(?:ab){2,3}c?",
    "^[^a-c]x$",
    "^[a-cx]{2,4}?$",
    "a{2}b{1,}",
    r"^\d+[.\-]\w$",
    r"\s",
    r"^\S+\D$",
    r"\x61\u0062\u{63}",
    r"[\]^-]",
    "^(a*)*(b|a*)*$",
    "a.c",
    r"\.|\/",
    "x{,2}|]|}",
    "(?<year>[0-9]{2})-",
]
TEXTS = st.text(alphabet="abcfor.-x01 \n]^_{},2/é", max_size=7)
BOUNDS = st.none() | st.integers(-3000, 3000).map(lambda number: Fraction(number, 100))


def python_pattern(text: str) -> str:
    """The same expression in Python's syntax."""
    text = text.replace("(?<", "(?P<").replace(r"\u{63}", "c").replace(r"\d", "[0-9]").replace(r"\D", "[^0-9]")
    return re.sub(r"(?<!\\)\$", r"\\Z", text.replace("x{,2}", r"x\{,2\}"))


@given(st.sampled_from(PATTERNS), TEXTS)
def test_a_pattern_accepts_what_pythons_does(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).accepts(text) == bool(re.search(python_pattern(pattern), text, re.ASCII))


def test_characters_beyond_the_first_plane_are_one() -> None:
    assert compile_pattern(r"^\ud83d\ude00$") == compile_pattern("^😀$")
    assert compile_pattern("^.$").accepts("😀")
    assert not compile_pattern(r"^[^\u{1f600}]$").accepts("😀")


@given(BOUNDS, BOUNDS, st.booleans(), st.booleans(), st.sampled_from([None, 1, 3, 7, 25]), st.integers(-3200, 3200))
def test_integers_are_those_between_the_bounds(
    low: Fraction | None, high: Fraction | None, no_low: bool, no_high: bool, unit: int | None, number: int
) -> None:
    bounds = NumberBounds(True, low, no_low, high, no_high, None if unit is None else Fraction(unit))
    assert compile_number(bounds).accepts(str(number // 100)) == bounds.hold(Fraction(number // 100))


@given(
    BOUNDS, BOUNDS, st.booleans(), st.booleans(), st.sampled_from([None, "0.01", "0.25", "1.5"]), st.integers(-320, 320)
)
def test_numbers_are_those_between_the_bounds(
    low: Fraction | None, high: Fraction | None, no_low: bool, no_high: bool, unit: str | None, number: int
) -> None:
    bounds = NumberBounds(False, low, no_low, high, no_high, None if unit is None else Fraction(unit))
    automaton = compile_number(bounds)
    value = Fraction(number, 10)
    text = f"{'-' if number < 0 else ''}{abs(number) // 10}.{abs(number) % 10}"
    assert automaton.accepts(text) == (bounds.hold(value) and (value != 0 or number >= 0))
    assert not automaton.accepts("0" + text.lstrip("-"))
    assert not automaton.accepts(text + ".")


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [("0", True), ("-0.5", True), ("1e-07", True), ("6.02e+23", True), ("1E306", True), ("1e307", False),
     ("10e5", False), ("01", False), (".5", False), ("1.", False), ("+1", False), ("1" * 20, True), ("1" * 21, False),
     ("0." + "3" * 20, True), ("0." + "3" * 21, False)],
)  # fmt: skip
def test_numbers_without_bounds_are_finite(text: str, is_valid: bool) -> None:
    assert compile_number(NumberBounds()).accepts(text) is is_valid


WORDS = st.lists(st.text(alphabet="abé", max_size=4), max_size=5)


@given(WORDS, WORDS, st.text(alphabet="abéx", max_size=5))
def test_sets_of_words(left: list[str], right: list[str], word: str) -> None:
    one, other = of_words(left), of_words(right)
    assert one.accepts(word) == (word in left)
    assert complement(one).accepts(word) == (word not in left)
    assert intersect(one, complement(other)).accepts(word) == (word in left and word not in right)
    assert one.is_empty == (not left)
    assert lengths(one) == ((min(map(len, left)), max(map(len, left))) if left else (0, 0))


def test_lengths_count_code_points() -> None:
    assert [of_lengths(1, 2).accepts(text) for text in ("", "é", "😀😀", "abc")] == [False, True, True, False]
    assert lengths(of_lengths(3, None)) == (3, None)


RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair))), max_size=4)


@given(RANGES, RANGES)
def test_sets_of_characters(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    one, other = characters.join(left), characters.join(right)
    assert members(characters.join(one, other)) == members(one) | members(other)
    assert members(characters.meet(one, other)) == members(one) & members(other)
    assert members(characters.subtract(one, other)) == members(one) - members(other)
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(one))


def members(ranges: characters.CharacterSet) -> set[int]:
    return {code for low, high in ranges for code in range(low, high + 1)}


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("date", ["2000-02-29", "0001-01-01", "9999-12-31"], ["1900-02-29", "0000-01-01", "2001-02-30", "2001-00-01"]),
        ("time", ["23:59:59Z", "00:00:00.123456+14:00"], ["24:00:00Z", "12:00:00", "12:00:60Z", "12:00:00.Z"]),
        ("duration", ["P1Y2M3DT4H5M6S", "P4W", "PT1M", "P1D"], ["P", "PT", "P1DT", "1D", "P1S"]),
        ("email", ["a.b+c@example.org"], ["a@b", "@example.org", "a..b@example.org", "a b@example.org"]),
        ("hostname", ["localhost", "a-b.example"], ["-a", "a-", "a..b", "a" * 31]),
        ("ipv4", ["0.0.0.0", "255.255.255.255"], ["256.1.1.1", "01.1.1.1", "1.1.1"]),
        (
            "ipv6",
            ["::", "::1", "1::", "::ffff:1.2.3.4", "1:2:3:4:5:6:7::"],
            [":", "1::2::3", "1:2:3:4:5:6:7:8:9", "g::"],
        ),
        ("uri", ["https://example.org:8080/a/b?c=d#e", "mailto:a@b.c", "urn:x:y"], ["example.org", "http://", "a b:c"]),
        ("uri-reference", ["/a/b", "https://a.b/c", "", "?q"], ["a b", "//x y"]),
        ("json-pointer", ["", "/a~1b/0"], ["a", "/~2"]),
        ("byte", ["", "QUJD", "QQ==", "QUI="], ["QQ=", "Q", "===="]),
    ],
)
def test_formats(name: str, valid: list[str], invalid: list[str]) -> None:
    language = compile_format(name)
    assert isinstance(language, Automaton)
    assert [text for text in valid if not language.accepts(text)] == []
    assert [text for text in invalid if language.accepts(text)] == []
