"""ECMAScript's regular expressions, as JSON schemas hold them, to trees.

Read as with the `u` flag: characters are code points. What no automaton can do (back references, lookaround) and what
would need tables of Unicode (`\\p`) or of words (`\\b`) is refused.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from g4run.chat.grammars import characters
from g4run.chat.grammars.characters import EVERY, CharacterSet

_MAX_DEPTH: Final = 60

DIGITS: Final = characters.span("0", "9")
WORD: Final = characters.join(DIGITS, characters.span("A", "Z"), characters.span("a", "z"), characters.of("_"))
SPACE: Final = characters.join(
    characters.of("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"), characters.span("\u2000", "\u200a")
)
_LINE_ENDS: Final = characters.of("\n\r\u2028\u2029")
_CLASSES: Final = {"d": DIGITS, "w": WORD, "s": SPACE}
_CONTROLS: Final = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}
_QUANTIFIER: Final = re.compile(r"(?:([*+?])|\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\})\??")
_GROUP: Final = re.compile(r"\((?:\?(?::|<([A-Za-z_$][A-Za-z0-9_$]*)>))?")
_HEX: Final = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,8})\}")
_LOW_SURROGATE: Final = re.compile(r"\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


class NotRegular(Exception):
    """The expression is broken, or needs more than an automaton; its text says what is wrong."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One character of a set."""

    allowed: CharacterSet


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of the text (`^`)."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of the text (`$`)."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Parts one after the other; none is the empty text."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several parts."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part between `least` and `most` times; None is no bound."""

    part: "Node"
    least: int
    most: int | None


Node: TypeAlias = OneOf | Start | End | Chain | Choice | Repeat


def parse_pattern(text: str) -> Node:
    """Read an expression; raises NotRegular."""
    parser = _Parser(text)
    node = parser.parse_choice(0)
    if parser.position < len(text):
        raise NotRegular("has a surplus )")
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    def parse_choice(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise NotRegular(f"nests deeper than {_MAX_DEPTH} groups")
        parts = [self._parse_chain(depth)]
        while self._take("|"):
            parts.append(self._parse_chain(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _parse_chain(self, depth: int) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._parse_repeated(depth))
        return parts[0] if len(parts) == 1 else Chain(tuple(parts))

    def _parse_repeated(self, depth: int) -> Node:
        node = self._parse_atom(depth)
        found = _QUANTIFIER.match(self._text, self.position)
        if found is None:
            return node
        if isinstance(node, Start | End):
            raise NotRegular("repeats an anchor")
        self.position = found.end()
        if _QUANTIFIER.match(self._text, self.position):
            raise NotRegular("has one quantifier behind another")
        return _repeat(node, found)

    def _parse_atom(self, depth: int) -> Node:
        mark = self._peek()
        if mark == "(":
            return self._parse_group(depth)
        if mark in "*+?":
            raise NotRegular("has a quantifier with nothing before it")
        self.position += 1
        match mark:
            case "^":
                return Start()
            case "$":
                return End()
            case ".":
                return OneOf(characters.subtract(EVERY, _LINE_ENDS))
            case "[":
                return OneOf(self._parse_class())
            case "\\":
                return OneOf(self._parse_escape(in_class=False))
        return OneOf(_single(ord(mark)))

    def _parse_group(self, depth: int) -> Node:
        found = _GROUP.match(self._text, self.position)
        if found is None or self._text.startswith("?", found.end()):
            kind = self._text[self.position : self.position + 4]
            what = "lookaround" if re.match(r"\(\?<?[=!]", kind) else "a group of an unknown kind"
            raise NotRegular(f"uses {what}")
        self.position = found.end()
        node = self.parse_choice(depth + 1)
        if not self._take(")"):
            raise NotRegular("has a ( that is not closed")
        return node

    def _parse_class(self) -> CharacterSet:
        is_negated = self._take("^")
        allowed: CharacterSet = ()
        while not self._take("]"):
            low = self._parse_member()
            if self._text.startswith("-", self.position) and self._text[self.position + 1 : self.position + 2] != "]":
                self.position += 1
                low = _range(low, self._parse_member())
            allowed = characters.join(allowed, low)
        return characters.subtract(EVERY, allowed) if is_negated else characters.meet(EVERY, allowed)

    def _parse_member(self) -> CharacterSet:
        mark = self._peek()
        if not mark:
            raise NotRegular("has a [ that is not closed")
        self.position += 1
        return self._parse_escape(in_class=True) if mark == "\\" else _single(ord(mark))

    def _parse_escape(self, *, in_class: bool) -> CharacterSet:
        if found := _HEX.match(self._text, self.position):
            return self._parse_code(found)
        mark = self._peek()
        self.position += 1
        if mark.lower() in _CLASSES and mark:
            allowed = _CLASSES[mark.lower()]
            return allowed if mark.islower() else characters.subtract(EVERY, allowed)
        if mark in _CONTROLS:
            return characters.of(_CONTROLS[mark])
        if mark == "b" and in_class:
            return _single(8)
        if mark == "0" and not self._peek().isdigit():
            return _single(0)
        if mark == "c" and re.match("[A-Za-z]", self._peek()):
            self.position += 1
            return _single(ord(self._text[self.position - 1]) % 32)
        if not mark or mark.isalnum():
            raise NotRegular(_refusal(mark))
        return _single(ord(mark))

    def _parse_code(self, found: re.Match[str]) -> CharacterSet:
        """Read a character by its number; two halves of a surrogate pair are one character."""
        self.position = found.end()
        code = int(found[1] or found[2] or found[3], 16)
        if 0xD800 <= code < 0xDC00 and (low := _LOW_SURROGATE.match(self._text, self.position)):
            self.position = low.end()
            code = 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if code > 0x10FFFF:
            raise NotRegular("names a character beyond U+10FFFF")
        return _single(code)

    def _peek(self) -> str:
        return self._text[self.position : self.position + 1]

    def _take(self, mark: str) -> bool:
        if self._peek() != mark:
            return False
        self.position += 1
        return True


def _repeat(node: Node, found: re.Match[str]) -> Node:
    if found[1]:
        return Repeat(node, int(found[1] == "+"), 1 if found[1] == "?" else None)
    least = int(found[2])
    most = (int(found[4]) if found[4] else None) if found[3] else least
    if most is not None and most < least:
        raise NotRegular("has a quantifier whose bounds are the wrong way round")
    return Repeat(node, least, most)


def _single(code: int) -> CharacterSet:
    return ((code, code),)


def _range(low: CharacterSet, high: CharacterSet) -> CharacterSet:
    if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1]:
        raise NotRegular("has a range that does not go from one character to another")
    if high[0][0] < low[0][0]:
        raise NotRegular("has a range whose ends are the wrong way round")
    return ((low[0][0], high[0][0]),)


def _refusal(mark: str) -> str:
    if not mark:
        return "ends in a backslash"
    if mark.isdigit() or mark == "k":
        return "uses a back reference"
    return f"uses \\{mark}, which is not supported"
