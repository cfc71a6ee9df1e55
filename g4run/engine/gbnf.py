"""Reads GBNF before llama.cpp does, and refuses what would hang or end the process there.

llama.cpp 0c1e57098 parses a repetition like {5,2} into 2^64 rules, follows a hidden left recursion for ever, recurses
as deeply as a grammar nests, and multiplies elements until memory ends. Pure: text in, a value or ValueError out.
"""

import re
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

MAX_ELEMENTS = 1_000_000  # of llama.cpp's rules, 8 bytes each
MAX_NESTING = 50  # parentheses in parentheses
MAX_REPETITIONS = 2000  # llama-grammar.cpp:12; an upper bound above it means no bound there

_SPACE = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_SPACE_AND_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_CHARACTER = re.compile(
    r"\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})|\\([trn\\\"\[\]-])|([^\\])", re.DOTALL
)
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}
_TOKEN = re.compile(r"<(?:\[\d{1,9}\]|[^\[>][^>]*)>")
_TIMES = re.compile(r"[*+?]|\{[ \t\r\n]*(\d{1,9})[ \t\r\n]*(?:(,)[ \t\r\n]*(\d{1,9})?[ \t\r\n]*)?\}")


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a sequence: a literal, a class or a token of `elements` elements, a reference, or a group; repeated.

    `most` of None is without bound.
    """

    elements: int = 0
    rule: str = ""
    group: "Alternatives | None" = None
    least: int = 1
    most: int | None = 1


Alternatives: TypeAlias = tuple[tuple[Term, ...], ...]


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
        return tuple(alternatives)

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
        match self._peek():
            case '"':
                return Term(elements=self._read_literal())
            case "[":
                return Term(elements=self._read_class())
            case ".":
                self._position += 1
                return Term(elements=1)
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

    def _read_literal(self) -> int:
        self._position += 1
        length = 0
        while self._peek() != '"':
            self._read_character()
            length += 1
        self._position += 1
        return length

    def _read_class(self) -> int:
        self._position += 1
        excludes = self._peek() == "^"
        self._position += excludes
        length = 0
        while self._peek() != "]":
            is_range_sign = length > 0 and self._peek() == "-"
            if self._read_character() > "\x7f" and excludes:
                self._grammar.excludes_beyond_ascii = True
            length += not is_range_sign
        self._position += 1
        return length

    def _read_character(self) -> str:
        found = self._take(_CHARACTER, "a character, or an escape that GBNF has,")
        code = found[1] or found[2] or found[3]
        if code:
            return chr(min(int(code, 16), 0x10FFFF))
        return _ESCAPES.get(found[4], found[4]) if found[4] else found[5]

    def _read_token(self) -> Term:
        found = self._take(_TOKEN, "a token as <name> or <[id]>")
        self._grammar.tokens.add(found.group())
        return Term(elements=1)

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
        inner = term if (term.least, term.most) == (1, 1) else Term(elements=1, group=((term,),))
        return Term(inner.elements, inner.rule, inner.group, least, most)

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
