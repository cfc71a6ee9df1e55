"""Sets of code points, the bytes that UTF-8 has for them, and which of them reads best."""

import string
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from g4run.engine.gbnf import Characters

_READABLE = tuple(map(ord, string.ascii_letters + string.digits + " " + string.punctuation))
LAST_ASCII = 0x7F
_TRIED = 256  # code points beyond ASCII among which a letter is looked for
# The first and the last code point of each length in UTF-8. NUL ends llama.cpp's texts, surrogates are no text.
_SPANS = ((0x01, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """Code points, also beyond Unicode's: `bounds` are the first of the set, the first behind it, and so on."""

    bounds: tuple[int, ...]

    @classmethod
    def of(cls, characters: Characters) -> "CharacterSet":
        """The set of a class."""
        bounds: list[int] = []
        for low, high in sorted(characters.ranges):
            if high < low:
                continue
            if bounds and low <= bounds[-1]:
                bounds[-1] = max(bounds[-1], high + 1)
            else:
                bounds += (low, high + 1)
        if characters.excludes:
            bounds = bounds[1:] if bounds[:1] == [0] else [0, *bounds]
        return cls(tuple(bounds))

    def holds(self, code: int) -> bool:
        """Whether a code point is in it."""
        return bisect_right(self.bounds, code) % 2 == 1

    def meets(self, low: int, high: int) -> bool:
        """Whether any code point between two, both included, is in it."""
        place = bisect_right(self.bounds, low)
        return place % 2 == 1 or (place < len(self.bounds) and self.bounds[place] <= high)

    def choose(self, low: int, high: int) -> int | None:
        """The shortest character of a text between two code points: a letter or a digit, a sign, or else any."""
        return next((code for span in _spans(low, high) if (code := self._choose_in(*span)) is not None), None)

    def has_text(self, low: int, high: int) -> bool:
        """Whether there is such a character."""
        return any(self.meets(*span) for span in _spans(low, high))

    def _choose_in(self, low: int, high: int) -> int | None:
        if low <= LAST_ASCII:
            plain = next((code for code in _READABLE if low <= code <= high and self.holds(code)), None)
            if plain is not None:
                return plain
        codes = self._first_between(low, high)
        signs = [code for code in codes if chr(code).isprintable()] or codes
        return next((code for code in signs if chr(code).isalnum()), signs[0] if signs else None)

    def _first_between(self, low: int, high: int) -> list[int]:
        codes: list[int] = []
        edges = (*self.bounds, high + 1)
        for first, behind in zip(edges[::2], edges[1::2], strict=False):
            start, end = max(first, low), min(behind, high + 1)
            codes += range(start, min(end, start + _TRIED - len(codes)))
        return codes


def _spans(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The parts of a range of code points that a text can have, by their length in UTF-8."""
    for first, last in _SPANS:
        if low <= last and first <= high:
            yield max(low, first), min(high, last)


def utf8_length(code: int) -> int:
    """Bytes of a code point in UTF-8."""
    return 1 + (code > LAST_ASCII) + (code > 0x7FF) + (code > 0xFFFF)


def is_text(code: int) -> bool:
    """Whether a text can have it: no NUL, no surrogate, nothing beyond Unicode."""
    return any(first <= code <= last for first, last in _SPANS)
