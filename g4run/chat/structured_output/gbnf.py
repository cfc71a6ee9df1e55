"""Translates GBNF, llama.cpp's grammar notation, for llguidance.

llguidance takes the longest match of each terminal. GBNF has no terminals, so each one here is a single character.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NoReturn

from g4run.chat.structured_output.rules import Parts, Reference, Rules, Symbol
from g4run.errors import UsageError

_MAX_NESTING: Final = 50  # parentheses in parentheses
_MAX_REPETITIONS: Final = 2000  # llama-grammar.cpp:12; there, a larger upper bound means no bound
GBNF_HINT: Final = "the notation is llama.cpp's GBNF, with the root rule `root`"

_SPACE: Final = r"(?:[ \t]|#[^\r\n]*)*"
_SPACE_AND_LINES: Final = r"(?:[ \t\r\n]|#[^\r\n]*)*"
_NAME: Final = "[A-Za-z0-9-]+"
_CHARACTER: Final = r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[trn\\\"\[\]-])|[^\\]"
_ESCAPES: Final = {"t": "\t", "r": "\r", "n": "\n"}
_TOKEN: Final = r"<(?:\[\d{1,9}\]|[^\[<>\s][^<>\s]*)>"
_TIMES: Final = r"[*+?]|\{[ \t\r\n]*\d{1,9}[ \t\r\n]*(?:,[ \t\r\n]*(?:\d{1,9})?[ \t\r\n]*)?\}"
_SIGNS: Final = {"*": "0,", "+": "1,", "?": "0,1"}
_TEXT: Final = ((0, 0xD7FF), (0xE000, 0x10FFFF))  # the code points that UTF-8 can encode


def read_gbnf(text: str) -> str:
    """Translate GBNF to Lark. Raises UsageError with the reason and, where possible, line and column."""
    return _Reader(text).read()


class _Reader:
    """Reads one grammar by llama.cpp's rules (llama-grammar.cpp:437)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._rules = Rules("the grammar")
        self._references: dict[str, Reference] = {}
        self._defined: set[str] = set()

    def read(self) -> str:
        """Read the whole grammar."""
        self._match(_SPACE_AND_LINES)
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
        self._match(_SPACE)
        self._take("::=", "::=")
        self._match(_SPACE_AND_LINES)
        self._rules.fill(self._refer_to(name), self._read_alternatives(0))
        self._defined.add(name)
        self._take(r"(?=[\r\n])|\Z", "the end of the rule")
        self._match(_SPACE_AND_LINES)

    def _refer_to(self, name: str) -> Reference:
        if name not in self._references:
            self._references[name] = self._rules.reserve("rule")
        return self._references[name]

    def _read_alternatives(self, nesting: int) -> list[Parts]:
        alternatives: list[Parts] = [()]
        space = _SPACE_AND_LINES if nesting else _SPACE
        while True:
            parts = self._read_term(nesting)
            if parts is not None:
                self._match(space)
                while self._match("(?=[*+?{])"):
                    parts = self._repeat(parts)
                    self._match(space)
                alternatives[-1] += parts
            elif self._match(r"\|"):
                self._match(_SPACE_AND_LINES)
                alternatives.append(())
            else:
                return alternatives

    def _read_term(self, nesting: int) -> Parts | None:
        if literal := self._match(rf'"((?:(?!")(?:{_CHARACTER}))*)'):
            self._take('"', "a character or one of GBNF's escapes")
            return tuple(self._one_of([(code, code)]) for code in map(_code, re.findall(_CHARACTER, literal[1])))
        if found := self._match(rf"\[(\^?)((?:(?!\])(?:{_CHARACTER}))*)"):
            self._take("]", "a character or one of GBNF's escapes")
            ranges = re.findall(f"({_CHARACTER})(?:-({_CHARACTER}))?", found[2])
            codes = [(_code(low), _code(high or low)) for low, high in ranges]
            # In llama.cpp an empty class, even [^], matches the empty text.
            return (self._one_of(codes, excludes=bool(found[1])),) if codes else ()
        if self._match(r"\."):
            return ("/(?s:.)/",)
        if self._match("(?=<)"):
            return (self._take(_TOKEN, "a token as <name> or <[id]>")[0],)
        if self._match("(?=!)"):
            self._fail("excluding a token, !<...>, is not supported")
        if self._match(r"(?=\()"):
            return self._read_group(nesting + 1)
        name = self._match(_NAME)
        return (self._refer_to(name[0]),) if name else None

    def _one_of(self, ranges: Sequence[tuple[int, int]], *, excludes: bool = False) -> Symbol:
        """One character; nothing if the ranges hold no valid code point."""
        clipped = [(max(low, first), min(high, last)) for low, high in ranges for first, last in _TEXT]
        possible = [(low, high) for low, high in clipped if low <= high]
        if not possible:
            return "/(?s:.)/" if excludes else self._rules.define("none", [])
        written = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in possible)
        return f"/[{'^' if excludes else ''}{written}]/"

    def _read_group(self, nesting: int) -> Parts:
        if nesting > _MAX_NESTING:
            self._fail(f"parentheses are nested more than {_MAX_NESTING} deep")
        self._match(r"\(" + _SPACE_AND_LINES)
        group = self._rules.define("group", self._read_alternatives(nesting))
        self._take(r"\)", "a closing parenthesis")
        return (group,)

    def _repeat(self, parts: Parts) -> Parts:
        """Repeat the last term; a literal is repeated as a whole."""
        if not parts:
            self._fail("there is nothing to repeat")
        start = self._position
        found = self._take(_TIMES, "a repetition as *, +, ?, {m}, {m,} or {m,n}")
        low, comma, high = _SIGNS.get(found[0], found[0].strip("{}")).partition(",")
        least, most = int(low), int(high) if high.strip() else None if comma else int(low)
        if least > _MAX_REPETITIONS or (most is not None and most < least):
            self._position = start
            self._fail(f"{found[0]} must start at {_MAX_REPETITIONS} or less and not end below its start")
        most = None if most is not None and most > _MAX_REPETITIONS else most
        return (replace(self._rules.define("repeated", [parts]), least=least, most=most),)

    def _match(self, pattern: str) -> re.Match[str] | None:
        """Match a pattern here and move behind it."""
        found = re.compile(pattern, re.DOTALL).match(self._text, self._position)
        self._position = found.end() if found else self._position
        return found

    def _take(self, pattern: str, what: str) -> re.Match[str]:
        return self._match(pattern) or self._fail(f"expected {what}")

    def _line(self) -> int:
        return self._text.count("\n", 0, self._position) + 1

    def _fail(self, reason: str) -> NoReturn:
        column = self._position - self._text.rfind("\n", 0, self._position)
        raise UsageError(f"grammar, line {self._line()}, column {column}: {reason}", GBNF_HINT)


def _code(character: str) -> int:
    """The code point of a character or an escape."""
    if character[1:2] in ("x", "u", "U"):
        return int(character[2:], 16)
    return ord(_ESCAPES.get(character[1:], character[-1]))
