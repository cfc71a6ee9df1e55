"""The two notations for values: JSON, and Gemma 4's own in tool calls."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from g4run.chat.structured_output.patterns import ANY_TEXT
from g4run.chat.structured_output.rules import Parts, Rules, write_counts, write_expression, write_text
from g4run.chat.structured_output.scalars import StringBounds
from g4run.chat.tokens import QUOTE

_SPACE: Final = r"(?: |\n(?: {0,32}|\t{0,16}))?"
_HEX: Final = "[0-9a-fA-F]"
_CODE: Final = (
    rf"u(?:[0-9a-cefA-CEF]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}}|[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}})"
)
_RAW: Final = r'[^"\\\x00-\x1f]'
_CHARACTER: Final = rf'(?:{_RAW}|\\(?:["\\/bfnrt]|{_CODE}))'  # a surrogate pair is one character
_ESCAPED: Final = {mark: re.escape(json.dumps(mark)[1:-1]) for mark in map(chr, [*range(0x20), 0x22, 0x5C])}
_ALL_ESCAPED: Final = r'\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))'
_ATOM: Final = re.compile(r"\[(?:\\.|[^\]\\])*\]|\(\?s:\.\)|\\U[0-9a-f]{8}|\\.|[^()|*+?{}]", re.DOTALL)
_BARE_KEY: Final = r"""[^\s:{}\[\],<>"'\x00-\x1f|]{1,64}"""
_WRITTEN_BARE: Final = re.compile(r"""(?!["'\s])(?:(?!<\|"\|>)[^:{}\[\],\x00-\x1f])+(?<!\s)""")


@dataclass(frozen=True, slots=True)
class FreeNames:
    """The names of undeclared members: within all bounds, not `taken`, and not matched by `excluded`."""

    bounds: tuple[StringBounds, ...] = ()
    taken: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def write(self, shape: str, quote: Callable[[str], str], taken: Iterable[str]) -> str:
        """The terminal of these keys; `taken` are the declared names as they are written."""
        within = (each for bounds in self.bounds for each in bounds.all_expressions())
        parts = [write_expression(shape), *(write_expression(quote(each)) for each in within)]
        parts += ["~" + write_expression(quote(each)) for each in self.excluded]
        written = " | ".join(map(write_text, taken))
        return " & ".join([*parts, f"~({written})"] if written else parts)


class JsonNotation:
    """JSON. White space is at most one space, or one line break with an indent; none precedes a comma or colon."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.comma = rules.terminal(f"/,{_SPACE}/")
        self.colon = rules.terminal("/: ?/")

    def opening(self, bracket: str) -> str:
        """A bracket that white space may follow."""
        return self._rules.terminal(rf"/\{bracket}{_SPACE}/")

    def closing(self, bracket: str, *, is_empty: bool) -> str:
        """A bracket that white space may precede, unless it came after the opening one."""
        return write_text(bracket) if is_empty else self._rules.terminal(rf"/{_SPACE}\{bracket}/")

    def string(self, bounds: StringBounds) -> Parts:
        """A string with any escapes; with only the necessary ones if it must match an expression."""
        if bounds.expressions:
            quoted = map(_quote, bounds.all_expressions())
            return (self._rules.terminal(" & ".join(map(write_expression, quoted))),)
        return (self._rules.terminal(write_expression(f'"{_CHARACTER}{write_counts(bounds.least, bounds.most)}"')),)

    def literal(self, text: str) -> Parts | None:
        """One string, with only the necessary escapes."""
        return (write_text(json.dumps(text, ensure_ascii=False)),)

    key = literal

    def keys(self, names: FreeNames) -> Parts:
        """A name with only the necessary escapes, so written in one way; any escapes if all names are free."""
        if names == FreeNames():
            return self.string(StringBounds())
        taken = (json.dumps(name, ensure_ascii=False) for name in names.taken)
        return (self._rules.terminal(names.write(_quote(ANY_TEXT), _quote, taken)),)


class CallNotation:
    """Gemma 4's notation as the reference template writes it, without white space between values.

    Strings stand between quote tokens and have no escapes. So a string that spells a quote token cannot be written.
    """

    comma = '","'
    colon = '":"'

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._has_quote = rules.terminal(write_expression(ANY_TEXT + re.escape(QUOTE) + ANY_TEXT))

    def opening(self, bracket: str) -> str:
        """A bracket."""
        return write_text(bracket)

    def closing(self, bracket: str, *, is_empty: bool) -> str:
        """A bracket."""
        return write_text(bracket)

    def string(self, bounds: StringBounds) -> Parts:
        """A string between quote tokens."""
        expressions = map(write_expression, bounds.all_expressions())
        return (QUOTE, self._rules.terminal(" & ".join([*expressions, "~" + self._has_quote])), QUOTE)

    def literal(self, text: str) -> Parts | None:
        """One string between quote tokens; None if it cannot be written."""
        return None if QUOTE in text else (QUOTE, write_text(text), QUOTE)

    def key(self, name: str) -> Parts | None:
        """A key: bare as in the reference, quoted if it would not read back; None if it cannot be written."""
        return (write_text(name),) if _WRITTEN_BARE.fullmatch(name) else self.literal(name)

    def keys(self, names: FreeNames) -> Parts:
        """An undeclared name of at most 64 characters that need no quotes."""
        return (self._rules.terminal(names.write(_BARE_KEY, str, names.taken)),)


Notation: TypeAlias = JsonNotation | CallNotation


def _quote(expression: str) -> str:
    """Turn an expression for a string into one for its JSON text, where some characters are escaped."""
    return f'"(?:{_ATOM.sub(lambda atom: _escape(atom[0]), expression)})"'


@lru_cache(maxsize=1024)
def _escape(atom: str) -> str:
    """The ways to write the characters that an atom of an expression matches."""
    escaped = [written for mark, written in _ESCAPED.items() if re.fullmatch(atom, mark)]
    if not escaped:
        return atom
    plain = {"[": [f"[{atom}&&{_RAW}]"], "(": [_RAW]}.get(atom[0], [])
    return f"(?:{'|'.join([*plain, *(escaped if len(escaped) < len(_ESCAPED) else [_ALL_ESCAPED])])})"
