"""Translates ECMAScript's regular expressions, which JSON schemas use, to the syntax that Rust and Python share.

They are read with the `u` flag: characters are code points. Back references and lookaround, which no finite automaton
supports, are refused, and so is what the two engines read differently (`\\b`, `\\p`).
"""

import contextlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

ANY_TEXT: Final = "(?s:.)*"
_MAX_COUNT: Final = 10_000  # product of nested counts; beyond it, llguidance gives up while matching
_MAX_DEPTH: Final = 60
_MAX_LENGTH: Final = 20_000
_CLASSES: Final = {
    "d": "0-9",
    "D": r"\x00-/:-\U0010ffff",
    "w": "0-9A-Z_a-z",
    "W": r"\x00-/:-@\[-\^`\{-\U0010ffff",
    "s": r"\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff",
    "S": r"\x00-\x08\x0e-\x1f!-\u009f\u00a1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e"
    r"\u2060-\u2fff\u3001-\ufefe\uff00-\U0010ffff",
}
_CONTROLS: Final = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "0": "\0"}
_PAIR: Final = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_CHARACTER: Final = (
    r"\\(?:x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|u\{(?P<braces>[0-9a-fA-F]{1,8})\}|c(?P<control>[A-Za-z])"
    r"|(?P<escape>0(?![0-9])|[0-9]+|.?))|(?P<plain>.)"
)
_MEMBER: Final = re.compile(_CHARACTER, re.DOTALL)
_TOKEN: Final = re.compile(
    r"\[(?P<negation>\^?)(?P<members>(?:\\.|[^\]\\])*)(?P<closed>\]?)"
    r"|(?P<count>[*+?]|\{(?P<least>[0-9]{1,9})(?:,(?P<most>[0-9]{0,9}))?\})\??(?P<second>(?:[*+?]|\{[0-9])?)"
    r"|(?P<group>\((?:\?(?:<(?![=!])[A-Za-z_$][A-Za-z0-9_$]*>|(?P<kind><?.?)))?)"
    rf"|(?P<mark>[|)^$.])|{_CHARACTER}",
    re.DOTALL,
)

_SET: Final = re.compile(r"\[(?:\\.|[^\]\\])*\]")
_MAX_WAYS: Final = 2_000_000

_Token: TypeAlias = re.Match[str]


class NotSupported(Exception):
    """The expression is invalid or not supported; the text says why."""


@lru_cache(maxsize=256)
def translate_pattern(text: str) -> str:
    """Translate an expression that may match anywhere to one for the whole text. Raises NotSupported."""
    if len(text) > _MAX_LENGTH:
        raise NotSupported("is too complex")
    text = _PAIR.sub(lambda pair: chr(0x10000 + ((int(pair[1], 16) & 0x3FF) << 10) + (int(pair[2], 16) & 0x3FF)), text)
    translated = "|".join(map(_write_branch, _split(list(_TOKEN.finditer(text)))))
    try:
        re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise NotSupported(f"is not a regular expression: {error}") from None
    return translated


def _split(tokens: Sequence[_Token]) -> list[list[_Token]]:
    """Split at the top-level alternatives, and check parentheses and repetitions."""
    branches: list[list[_Token]] = [[]]
    counts = [1]  # for each open group, the greatest product of counts in it
    product = 1  # of the counts in the item before this token
    before = "("
    for token in tokens:
        if token["group"]:
            counts.append(1)
        elif token["mark"] == ")":
            if len(counts) == 1:
                raise NotSupported("has an unmatched )")
            product = counts.pop()
        elif token["count"]:
            if before in ("(", "|", "^"):
                raise NotSupported("has a quantifier with nothing to repeat")
            product *= max(1, int(token["most"] or token["least"] or 1))
        else:
            product = 1
        counts[-1] = max(counts[-1], product)
        if counts[-1] > _MAX_COUNT:
            raise NotSupported("is too complex")
        if len(counts) > _MAX_DEPTH:
            raise NotSupported(f"nests groups more than {_MAX_DEPTH} deep")
        if token["mark"] == "|" and len(counts) == 1:
            branches.append([])
        else:
            branches[-1].append(token)
        before = "(" if token["group"] else token[0]
    if len(counts) > 1:
        raise NotSupported("has an unclosed (")
    return branches


def _write_branch(tokens: Sequence[_Token]) -> str:
    """Write one alternative. If a group spans all of it, anchors at the group's ends count as anchors at its own."""
    if len(tokens) > 1 and tokens[0]["group"] and tokens[-1]["mark"] == ")" and tokens[0]["kind"] in (None, ":"):
        with contextlib.suppress(NotSupported):  # (a)(b) looks like one group but is not
            return "|".join(map(_write_branch, _split(tokens[1:-1])))
    at_start = bool(tokens) and tokens[0]["mark"] == "^"
    at_end = bool(tokens) and tokens[-1]["mark"] == "$"
    body = tokens[at_start : len(tokens) - at_end]
    return ("" if at_start else ANY_TEXT) + "".join(map(_write, body)) + ("" if at_end else ANY_TEXT)


def _write(token: _Token) -> str:
    if token["members"] is not None:
        return _write_set(token)
    if token["count"]:
        if token["second"]:
            raise NotSupported("has a quantifier after a quantifier")
        return token["count"]
    if token["group"]:
        if token["kind"] not in (None, ":"):
            raise NotSupported(f"uses {'lookaround' if token['kind'].strip('<') in ('=', '!') else 'an unknown group'}")
        return "(?:"
    if token["mark"] in ("^", "$"):
        raise NotSupported("has an anchor in the middle")
    if token["mark"]:
        return r"[^\n\r\u2028\u2029]" if token["mark"] == "." else token["mark"]
    character = _read_character(token)
    return f"[{character}]" if token["escape"] in _CLASSES else character


def _write_set(token: _Token) -> str:
    if not token["closed"]:
        raise NotSupported("has an unclosed [")
    members = list(_MEMBER.finditer(token["members"]))
    if not members:
        return "(?s:.)" if token["negation"] else r"[^\x00-\U0010ffff]"
    written = [
        "-" if member[0] == "-" and _is_range(members, index) else _read_character(member, in_set=True)
        for index, member in enumerate(members)
    ]
    return f"[{token['negation']}{''.join(written)}]"


def _is_range(members: Sequence[_Token], index: int) -> bool:
    """Whether a hyphen makes a range of its neighbours."""
    return 0 < index < len(members) - 1 and all(members[index + step]["escape"] not in _CLASSES for step in (-1, 1))


def _read_character(token: _Token, *, in_set: bool = False) -> str:
    """A character or a class, as written inside brackets."""
    escape = token["escape"]
    if code := token["x"] or token["u"] or token["braces"]:
        return write_character(int(code, 16))
    if token["control"]:
        return write_character(ord(token["control"]) % 32)
    if token["plain"]:
        return write_character(ord(token["plain"]))
    if escape in _CLASSES:
        return _CLASSES[escape]
    if escape == "b" and in_set:
        return r"\x08"
    if not escape:
        raise NotSupported("ends in a backslash")
    if escape not in _CONTROLS and escape[0].isalnum():
        is_back_reference = escape[0].isdigit() or escape == "k"
        raise NotSupported("uses a back reference" if is_back_reference else f"uses \\{escape}, which is not supported")
    return write_character(ord(_CONTROLS.get(escape, escape)))


def write_character(code: int) -> str:
    """A character as both engines read it, inside and outside brackets."""
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise NotSupported("names an invalid code point")
    return chr(code) if chr(code).isascii() and chr(code).isalnum() else f"\\U{code:08x}"


def matches(expression: str, text: str) -> bool:
    """Whether a translated expression matches a whole text.

    Raises NotSupported if Python's engine, which backtracks, might take long.
    """
    own = _SET.sub("C", expression).replace(ANY_TEXT, "*")
    repeats = len(re.findall(r"[*+?}](?!:)", own))
    ways = 4 ** len(text) if re.search(r"\)[*+{]", own) else (len(text) + 1) ** repeats
    if ways > _MAX_WAYS:
        raise NotSupported("is too complex to be combined with listed values or names")
    return re.fullmatch(expression, text) is not None
