"""Reads GBNF before llama.cpp does, and refuses what would hang or end the process there.

llama.cpp 0c1e57098 parses a repetition like {5,2} into 2^64 rules, follows a hidden left recursion for ever, recurses
as deeply as a grammar nests, and multiplies elements until memory ends. Pure: text in, a value or ValueError out.
"""

import re
from dataclasses import dataclass, field, replace
from typing import NoReturn

MAX_ELEMENTS = 1_000_000  # of llama.cpp's rules, 8 bytes each
MAX_NESTING = 50  # parentheses in parentheses
MAX_REPETITIONS = 2000  # llama-grammar.cpp:12; an upper bound above it means no bound there

_SPACE = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_SPACE_AND_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_PLAIN = re.compile(r"[^\"\\]+")
_CHARACTER = re.compile(
    r"\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})|\\([trn\\\"\[\]-])|([^\\])", re.DOTALL
)
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}
_TOKEN = re.compile(r"<(?:\[\d{1,9}\]|[^\[>][^>]*)>")
_UNIT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|\[(?:[^\]\\]|\\.)*\]|" + _NAME.pattern, re.DOTALL)
_TIMES = re.compile(r"[*+?]|\{[ \t\r\n]*(\d{1,9})[ \t\r\n]*(?:(,)[ \t\r\n]*(\d{1,9})?[ \t\r\n]*)?\}")


@dataclass(frozen=True, slots=True)
class Characters:
    """A class: the code points between these bounds, both included, or with `excludes` all others."""

    ranges: tuple[tuple[int, int], ...]
    excludes: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a sequence, repeated: a literal, a class, a token, a reference, a group, or what is empty.

    `literal` are code points, which may be beyond Unicode's; `token` is written as in the grammar, as `<[id]>` or
    `<text>`. `elements` is how many of llama.cpp's elements it takes. `most` of None is without bound.
    """

    elements: int = 0
    literal: tuple[int, ...] = ()
    characters: Characters | None = None
    token: str = ""
    rule: str = ""
    group: "Alternatives | None" = None
    least: int = 1
    most: int | None = 1


@dataclass(frozen=True, slots=True, eq=False)
class Alternatives:
    """What a rule or a group consists of; each is equal to itself only."""

    sequences: tuple[tuple[Term, ...], ...]


@dataclass(slots=True)
class Gbnf:
    """A grammar as read: its rules, and what of it decides how tokens may be tested.

    `tokens` are the tokens that it names, as `<[id]>` or `<text>`; `excludes_beyond_ascii` says that a class [^...]
    has a character that is not ASCII.
    """

    rules: dict[str, Alternatives] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    excludes_beyond_ascii: bool = False
    elements: int = 0


class Reader:
    """Reads one text by llama.cpp's rules of the syntax (llama-grammar.cpp:437)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._grammar = Gbnf()
        self._known: dict[str, Term] = {}  # by their text: most of a large grammar is written more than once

    def read(self) -> Gbnf:
        """The grammar. Raises ValueError with line and column."""
        self._skip(_SPACE_AND_LINES)
        while self._position < len(self._text):
            self._read_rule()
        return self._grammar

    def _read_rule(self) -> None:
        name = self._take(_NAME, "the name of a rule").group()
        self._skip(_SPACE)
        if not self._text.startswith("::=", self._position):
            self._fail("::= is expected")
        self._position += 3
        self._skip(_SPACE_AND_LINES)
        self._grammar.rules[name] = self._read_alternatives(0)
        if self._position < len(self._text) and self._peek() not in "\r\n":
            self._fail("the end of the rule is expected")
        self._skip(_SPACE_AND_LINES)

    def _read_alternatives(self, nesting: int) -> Alternatives:
        alternatives = [self._read_sequence(nesting)]
        while self._peek() == "|":
            self._position += 1
            self._skip(_SPACE_AND_LINES)
            alternatives.append(self._read_sequence(nesting))
        return Alternatives(tuple(alternatives))

    def _read_sequence(self, nesting: int) -> tuple[Term, ...]:
        terms: list[Term] = []
        space = _SPACE_AND_LINES if nesting else _SPACE
        while (term := self._read_term(nesting)) is not None:
            self._skip(space)
            while self._peek() in ("*", "+", "?", "{"):
                term = self._repeat(term)
                self._skip(space)
            self._count(term)
            terms.append(term)
        return tuple(terms)

    def _read_term(self, nesting: int) -> Term | None:
        found = _UNIT.match(self._text, self._position)
        known = self._known.get(found.group()) if found else None
        if found and known:
            self._position = found.end()
            return known
        start = self._position
        term = self._read_new_term(nesting)
        if term is not None and term.group is None:
            self._known[self._text[start : self._position]] = term
        return term

    def _read_new_term(self, nesting: int) -> Term | None:
        match self._peek():
            case '"':
                return self._read_literal()
            case "[":
                return self._read_class()
            case ".":
                self._position += 1
                return Term(elements=1, characters=Characters((), excludes=True))
            case "<":
                return self._read_token()
            case "!":
                self._fail("a token by exclusion, !<...>, would end llama.cpp: it is not supported")
            case "(":
                return self._read_group(nesting + 1)
        found = _NAME.match(self._text, self._position)
        if found is None:
            return None
        self._position = found.end()
        return Term(elements=1, rule=found.group())

    def _read_literal(self) -> Term:
        self._position += 1
        codes: list[int] = []
        while self._peek() != '"':
            plain = _PLAIN.match(self._text, self._position)
            if plain:
                codes += map(ord, plain.group())
                self._position = plain.end()
            else:
                codes.append(self._read_character())
        self._position += 1
        return Term(elements=len(codes), literal=tuple(codes))

    def _read_class(self) -> Term:
        """A class; an empty one is no element at all in llama.cpp, even as [^]."""
        self._position += 1
        excludes = self._peek() == "^"
        self._position += excludes
        ranges: list[tuple[int, int]] = []
        elements = 0
        while self._peek() != "]":
            low = high = self._read_character()
            elements += 1
            if self._peek() == "-" and not self._text.startswith("]", self._position + 1):
                self._position += 1
                high = self._read_character()
                elements += 1
            ranges.append((low, high))
        self._position += 1
        if excludes and any(code > 0x7F for pair in ranges for code in pair):
            self._grammar.excludes_beyond_ascii = True
        return Term(elements, characters=Characters(tuple(ranges), excludes)) if ranges else Term()

    def _read_character(self) -> int:
        found = self._take(_CHARACTER, "a character, or an escape that GBNF has,")
        code = found[1] or found[2] or found[3]
        if code:
            return int(code, 16)
        return ord(_ESCAPES.get(found[4], found[4]) if found[4] else found[5])

    def _read_token(self) -> Term:
        found = self._take(_TOKEN, "a token as <name> or <[id]>")
        self._grammar.tokens.add(found.group())
        return Term(elements=1, token=found.group())

    def _read_group(self, nesting: int) -> Term:
        if nesting > MAX_NESTING:
            self._fail(f"parentheses are nested more than {MAX_NESTING} deep")
        self._position += 1
        self._skip(_SPACE_AND_LINES)
        group = self._read_alternatives(nesting)
        if self._peek() != ")":
            self._fail("a closing parenthesis is expected")
        self._position += 1
        return Term(elements=1, group=group)

    def _repeat(self, term: Term) -> Term:
        if not term.elements:
            self._fail("there is nothing to repeat")
        start = self._position
        found = self._take(_TIMES, "a repetition as *, +, ?, {m}, {m,} or {m,n}")
        least, most = _times(found)
        if least > MAX_REPETITIONS or (most is not None and most < least):
            self._position = start
            self._fail(f"{found.group()} must go from at most {MAX_REPETITIONS} up to as much or more")
        inner = term if (term.least, term.most) == (1, 1) else Term(elements=1, group=Alternatives(((term,),)))
        return replace(inner, least=least, most=most)

    def _count(self, term: Term) -> None:
        optional = 1 if term.most is None or term.most > MAX_REPETITIONS else term.most - term.least
        self._grammar.elements += term.elements * term.least + optional * (term.elements + 3)
        if self._grammar.elements > MAX_ELEMENTS:
            self._fail(f"the grammar becomes more than {MAX_ELEMENTS} elements")

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _skip(self, space: re.Pattern[str]) -> None:
        found = space.match(self._text, self._position)
        self._position = found.end() if found else self._position

    def _take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        found = pattern.match(self._text, self._position)
        if found is None:
            self._fail(f"{what} is expected")
        self._position = found.end()
        return found

    def _fail(self, reason: str) -> NoReturn:
        line = self._text.count("\n", 0, self._position) + 1
        column = self._position - self._text.rfind("\n", 0, self._position)
        raise ValueError(f"grammar, line {line}, column {column}: {reason}")


def _times(found: re.Match[str]) -> tuple[int, int | None]:
    fixed = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(found.group())
    if fixed is not None:
        return fixed
    least = int(found[1])
    if not found[2]:
        return least, least
    return least, int(found[3]) if found[3] else None
