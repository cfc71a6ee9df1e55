"""A lenient parser of Gemma's notation for values that repairs known mistakes of models.

Valid text round-trips. Beyond that, it accepts JSON, keys and strings without quotes, unescaped, unclosed and extra
quotes, and missing and extra brackets and commas. Time is linear in the text.
"""

import re
from typing import Final

from g4run.chat.messages import MAX_DEPTH, JsonValue
from g4run.chat.tokens import QUOTE

_SPACE: Final = re.compile(r"\s*+")
_SEPARATORS: Final = re.compile(r"[\s,]*+")
_EXTRA_CLOSERS: Final = re.compile(r"[\s,;}\]]*+")
_BARE_KEY: Final = re.compile(r"(?:(?!<\|\"\|>)[^:{}\[\],])*+")
_BARE_TEXT: Final = re.compile(r"(?:(?!<\|\"\|>)[^,}\]])*+")
_VALUE_END: Final = r"[,}\]]|\Z"
_LITERAL: Final = re.compile(
    r"(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|[tT]rue|[fF]alse|null|None)" rf"(?=\s*(?:{_VALUE_END}))"
)
_LITERALS: Final[dict[str, JsonValue]] = {"true": True, "false": False, "null": None, "none": None}
_MEMBER: Final = r"[\s,]*+(?:[}\]]|\Z|[\"']|<\|\"\|>|[^\s:{}\[\],][^:{}\[\],\n]{0,80}:(?!//))"
_MEMBER_FOLLOWS: Final = re.compile(_MEMBER)
_MEMBER_END: Final = rf"[}}\]]|\Z|,{_MEMBER}"
_KEY_END: Final = r"[:}]|\Z"
_EXTRA_QUOTE: Final = re.compile(rf'\s*+<\|"\|>(?=\s*(?:{_VALUE_END}))')
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_RARE_ESCAPES: Final = frozenset("bf")  # models hardly ever mean a backspace or a form feed
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "/": "/", "\\": "\\"}


class Unparsable(Exception):
    """The text is not a value, even after repair; never leaves this package."""


class ValueReader:
    """Reads consecutive values from `position`; `is_complete` becomes false if the text ends inside one."""

    def __init__(self, text: str, *, is_decoded: bool = False) -> None:
        self.text = text
        self.position = 0
        self.is_complete = True
        self._is_decoded = is_decoded  # the text was itself a string: do not decode nested strings again
        self._depth = 0
        self._list_depth = 0

    def skip(self, pattern: re.Pattern[str]) -> str:
        """Skip a match of the pattern and return it."""
        found = pattern.match(self.text, self.position)
        if found is None:
            return ""
        self.position = found.end()
        return found[0]

    def skip_space(self) -> None:
        """Skip whitespace."""
        self.skip(_SPACE)

    def starts_with(self, prefix: str) -> bool:
        """Return whether `prefix` comes next."""
        return self.text.startswith(prefix, self.position)

    def read_value(self) -> JsonValue:
        """Read the next value. Raises Unparsable if it nests too deeply or makes no sense."""
        self.skip_space()
        if self.starts_with(QUOTE):
            return self._read_text()
        match self._peek():
            case "{":
                return self.read_object()
            case "[":
                return self._read_list()
            case '"' | "'":
                return self._read_text()
        return self._read_bare()

    def read_object(self) -> dict[str, JsonValue]:
        """Read members up to the closing brace; the opening brace may be missing."""
        self._enter()
        if self._peek() == "{":
            self.position += 1
        members: dict[str, JsonValue] = {}
        while not self._at_end_of_object():
            if self._peek() == "{":
                members |= self.read_object()
            else:
                self._read_member(members)
        self._depth -= 1
        return members

    def _at_end_of_object(self) -> bool:
        while True:
            self.skip(_SEPARATORS)
            mark = self._peek()
            if not mark:
                self.is_complete = False
                return True
            if mark == "]" and not self._list_depth:
                self.position += 1
                continue
            if mark == "}":
                self.position += 1
            return mark in "}]"

    def _read_member(self, members: dict[str, JsonValue]) -> None:
        is_quoted = self.starts_with(QUOTE) or self._peek() in "\"'"
        key = self._read_key()
        self.skip_space()
        if self._peek() == ":":
            self.position += 1
            members[key] = self.read_value()
        elif is_quoted and not self._is_decoded:
            members |= decode_object(key)
        else:
            raise Unparsable

    def _read_key(self) -> str:
        if self.starts_with(QUOTE):
            return self._read_quoted()
        mark = self._peek()
        if mark in "\"'":
            return self._read_string(mark, _KEY_END)
        return self.skip(_BARE_KEY).strip()

    def _read_list(self) -> list[JsonValue]:
        self._enter()
        self._list_depth += 1
        self.position += 1
        items: list[JsonValue] = []
        while True:
            self.skip(_SEPARATORS)
            mark = self._peek()
            if mark and mark not in "]}":
                items.append(self.read_value())
                continue
            self.position += mark == "]"
            self._depth -= 1
            self._list_depth -= 1
            return items

    def _read_text(self) -> str:
        """Read a string value and an extra quote token after it."""
        if self.starts_with(QUOTE):
            text = self._read_quoted()
        else:
            follower = _VALUE_END if self._list_depth else _MEMBER_END
            text = self._read_string(self._peek(), rf"(?:<\|\"\|>\s*)?(?:{follower})")
        self.skip(_EXTRA_QUOTE)
        return text

    def _read_quoted(self) -> str:
        """Read a string between quote tokens; its content is literal."""
        start = self.position + len(QUOTE)
        end = self.text.find(QUOTE, start)
        if end < 0:
            return self._read_unclosed(start)
        self.position = end + len(QUOTE)
        return self.text[start:end]

    def _read_string(self, mark: str, follower: str) -> str:
        """Read a string between ASCII quotes; a quote not followed by `follower` belongs to the string."""
        start = self.position + 1
        closing = re.compile(rf"(?:[^\\{mark}]++|\\.|{mark}(?!\s*(?:{follower})))*+{mark}", re.DOTALL)
        found = closing.match(self.text, start)
        if found is None:
            return self._read_unclosed(start)
        self.position = found.end()
        return unescape(self.text[start : found.end() - 1])

    def _read_unclosed(self, start: int) -> str:
        """Read to the end of the text, without the brackets that close open values."""
        self.is_complete = False
        self.position = len(self.text)
        content = self.text[start:].rstrip()
        for _ in range(self._depth):
            content = content[:-1].rstrip() if content.endswith(("}", "]")) else content
        return content

    def _read_bare(self) -> JsonValue:
        literal = _LITERAL.match(self.text, self.position)
        if literal:
            self.position = literal.end()
            return _read_literal(literal[1])
        start = self.position
        while True:
            self.skip(_BARE_TEXT)
            end = self.position
            if self.starts_with(QUOTE):
                self.position += len(QUOTE)
                break
            if self._peek() != "," or self._list_depth or _MEMBER_FOLLOWS.match(self.text, end):
                break
            self.skip(_SEPARATORS)
        return self.text[start:end].strip() or None

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unparsable

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]


def decode_object(text: str) -> dict[str, JsonValue]:
    """Parse arguments given as a string. Raises Unparsable if it is not exactly one object."""
    reader = ValueReader(text, is_decoded=True)
    reader.skip_space()
    if not text.strip():
        return {}
    if not reader.starts_with("{"):
        raise Unparsable
    members = reader.read_object()
    reader.skip(_EXTRA_CLOSERS)
    if reader.position < len(text):
        raise Unparsable
    return members


def unescape(text: str) -> str:
    """Decode JSON's escapes; an unpaired surrogate becomes U+FFFD.

    Unknown escapes stay as they are; if there are any, rare ones stay too: the text is then a path or a pattern.
    """
    if "\\" not in text:
        return text
    is_json = all(len(escape[1]) > 1 or escape[1] in _ESCAPES for escape in _ESCAPE.finditer(text))
    plain = _ESCAPE.sub(lambda escape: _unescape_one(escape, is_json=is_json), text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _unescape_one(escape: re.Match[str], *, is_json: bool) -> str:
    code = escape[1]
    if code in _RARE_ESCAPES and not is_json:
        return escape[0]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, escape[0])


def _read_literal(text: str) -> JsonValue:
    if text.lower() in _LITERALS:
        return _LITERALS[text.lower()]
    try:
        number = float(text) if any(mark in text for mark in ".eE") else int(text)
    except ValueError:  # int() refuses more than 4,300 digits
        return text
    return text if number in (float("inf"), float("-inf")) else number
