"""Sets of characters as ranges of code points: sorted, apart from one another, both ends included."""

from collections.abc import Iterable
from typing import Final, TypeAlias

CharacterSet: TypeAlias = tuple[tuple[int, int], ...]

EVERY: Final[CharacterSet] = ((0, 0xD7FF), (0xE000, 0x10FFFF))
"""Every code point that UTF-8 can carry, so no surrogates."""


def join(*sets: Iterable[tuple[int, int]]) -> CharacterSet:
    """All characters of the sets; ranges that touch become one."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(pair for ranges in sets for pair in ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def meet(left: CharacterSet, right: CharacterSet) -> CharacterSet:
    """The characters that both sets have."""
    common: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            common.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(common)


def subtract(left: CharacterSet, right: CharacterSet) -> CharacterSet:
    """The characters of `left` that `right` lacks."""
    gaps: list[tuple[int, int]] = []
    start = 0
    for low, high in right:
        gaps.append((start, low - 1))
        start = high + 1
    gaps.append((start, EVERY[-1][1]))
    return meet(left, tuple((low, high) for low, high in gaps if low <= high))


def of(text: str) -> CharacterSet:
    """The characters of a text."""
    return join((ord(character), ord(character)) for character in text)


def span(low: str, high: str) -> CharacterSet:
    """The characters from one to another."""
    return ((ord(low), ord(high)),)


def holds(characters: CharacterSet, character: str) -> bool:
    """Whether a character is in the set."""
    return any(low <= ord(character) <= high for low, high in characters)
