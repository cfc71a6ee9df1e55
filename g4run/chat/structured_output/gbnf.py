"""Reads GBNF, llama.cpp's notation for grammars, and writes the same grammar for llguidance.

llguidance takes the longest match of each terminal, and GBNF knows no terminals. So each one stands for one character.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NoReturn

from g4run.chat.structured_output.rules import Parts, Reference, Rules, Symbol
from g4run.errors import UsageError

_MAX_NESTING: Final = 50  # parentheses in parentheses
_MAX_REPETITIONS: Final = 2000  # llama-grammar.cpp:12; an upper bound above it means no bound there
GBNF_HINT: Final = "the notation is llama.cpp's GBNF, with the root rule `root`"

_SPACE: Final = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_SPACE_AND_LINES: Final = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
_CHARACTER: Final = re.compile(
    r"\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})|\\([trn\\\"\[\]-])|([^\\])", re.DOTALL
)
_ESCAPES: Final = {"t": "\t", "r": "\r", "n": "\n"}
_TOKEN: Final = re.compile(r"<(?:\[\d{1,9}\]|[^\[<>\s][^<>\s]*)>")
_TIMES: Final = re.compile(r"[*+?]|\{[ \t\r\n]*(\d{1,9})[ \t\r\n]*(?:(,)[ \t\r\n]*(\d{1,9})?[ \t\r\n]*)?\}")
_TEXT: Final = ((0, 0xD7FF), (0xE000, 0x10FFFF))  # the code points that UTF-8 can hold


def read_gbnf(text: str) -> str:
    """The grammar of a text in GBNF. Raises UsageError with the reason and, where there is one, line and column."""
    return _Reader(text).read()


class _Reader:
    """Reads one text by llama.cpp's rules of the syntax (llama-grammar.cpp:437)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._rules = Rules("the grammar")
        self._references: dict[str, Reference] = {}
        self._defined: set[str] = set()

    def read(self) -> str:
        """The whole grammar."""
        self._skip(_SPACE_AND_LINES)
        while self._position < len(self._text):
            self._read_rule()
        for name in ("root", *self._references):
            if name not in self._defined:
                raise UsageError(f"grammar: there is no rule named {name}", GBNF_HINT)
        if not self._rules.can_end(self._references["root"]):
            raise UsageError("grammar: no text satisfies it", GBNF_HINT)
        return self._rules.render(self._references["root"])

    def _read_rule(self) -> None:
        self._rules.place = f"grammar, line {self._line()}"
        name = self._take(_NAME, "the name of a rule")[0]
        self._skip(_SPACE)
        self._take(re.compile("::="), "::=")
        self._skip(_SPACE_AND_LINES)
        self._rules.fill(self._refer_to(name), self._read_alternatives(0))
        self._defined.add(name)
        if self._position < len(self._text) and self._peek() not in "\r\n":
            self._fail("the end of the rule is expected")
        self._skip(_SPACE_AND_LINES)

    def _refer_to(self, name: str) -> Reference:
        if name not in self._references:
            self._references[name] = self._rules.reserve("rule")
        return self._references[name]

    def _read_alternatives(self, nesting: int) -> list[Parts]:
        alternatives = [self._read_sequence(nesting)]
        while self._peek() == "|":
            self._position += 1
            self._skip(_SPACE_AND_LINES)
            alternatives.append(self._read_sequence(nesting))
        return alternatives

    def _read_sequence(self, nesting: int) -> Parts:
        sequence: Parts = ()
        space = _SPACE_AND_LINES if nesting else _SPACE
        while (parts := self._read_term(nesting)) is not None:
            self._skip(space)
            while self._peek() in ("*", "+", "?", "{"):
                parts = self._repeat(parts)
                self._skip(space)
            sequence += parts
        return sequence

    def _read_term(self, nesting: int) -> Parts | None:
        match self._peek():
            case '"':
                return self._read_literal()
            case "[":
                return self._read_class()
            case ".":
                self._position += 1
                return ("/(?s:.)/",)
            case "<":
                return (self._take(_TOKEN, "a token as <name> or <[id]>")[0],)
            case "!":
                self._fail("a token by exclusion, !<...>, is not supported")
            case "(":
                return self._read_group(nesting + 1)
        found = _NAME.match(self._text, self._position)
        if found is None:
            return None
        self._position = found.end()
        return (self._refer_to(found[0]),)

    def _read_literal(self) -> Parts:
        self._position += 1
        codes = []
        while self._peek() != '"':
            codes.append(self._read_character())
        self._position += 1
        return tuple(self._one_of([(code, code)]) for code in codes)

    def _read_class(self) -> Parts:
        """A class; an empty one is no element at all in llama.cpp, even as [^]."""
        self._position += 1
        excludes = self._peek() == "^"
        self._position += excludes
        ranges = []
        while self._peek() != "]":
            low = high = self._read_character()
            if self._peek() == "-" and not self._text.startswith("]", self._position + 1):
                self._position += 1
                high = self._read_character()
            ranges.append((low, high))
        self._position += 1
        return (self._one_of(ranges, excludes=excludes),) if ranges else ()

    def _one_of(self, ranges: Sequence[tuple[int, int]], *, excludes: bool = False) -> Symbol:
        """One character; of code points that no text can hold, none."""
        clipped = [(max(low, first), min(high, last)) for low, high in ranges for first, last in _TEXT]
        possible = [(low, high) for low, high in clipped if low <= high]
        if not possible:
            return "/(?s:.)/" if excludes else self._rules.define("none", [])
        written = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in possible)
        return f"/[{'^' if excludes else ''}{written}]/"

    def _read_character(self) -> int:
        found = self._take(_CHARACTER, "a character, or an escape that GBNF has,")
        code = found[1] or found[2] or found[3]
        if code:
            return int(code, 16)
        return ord(_ESCAPES.get(found[4], found[4]) if found[4] else found[5])

    def _read_group(self, nesting: int) -> Parts:
        if nesting > _MAX_NESTING:
            self._fail(f"parentheses are nested more than {_MAX_NESTING} deep")
        self._position += 1
        self._skip(_SPACE_AND_LINES)
        group = self._rules.define("group", self._read_alternatives(nesting))
        if self._peek() != ")":
            self._fail("a closing parenthesis is expected")
        self._position += 1
        return (group,)

    def _repeat(self, parts: Parts) -> Parts:
        """Repeat the last term; of a literal, all of it."""
        if not parts:
            self._fail("there is nothing to repeat")
        start = self._position
        found = self._take(_TIMES, "a repetition as *, +, ?, {m}, {m,} or {m,n}")
        least, most = _read_times(found)
        if least > _MAX_REPETITIONS or (most is not None and most < least):
            self._position = start
            self._fail(f"{found[0]} must go from at most {_MAX_REPETITIONS} up to as much or more")
        most = None if most is not None and most > _MAX_REPETITIONS else most
        return (replace(self._rules.define("repeated", [parts]), least=least, most=most),)

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

    def _line(self) -> int:
        return self._text.count("\n", 0, self._position) + 1

    def _fail(self, reason: str) -> NoReturn:
        column = self._position - self._text.rfind("\n", 0, self._position)
        raise UsageError(f"grammar, line {self._line()}, column {column}: {reason}", GBNF_HINT)


def _read_times(found: re.Match[str]) -> tuple[int, int | None]:
    fixed = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(found[0])
    if fixed is not None:
        return fixed
    least = int(found[1])
    return least, int(found[3]) if found[3] else None if found[2] else least
