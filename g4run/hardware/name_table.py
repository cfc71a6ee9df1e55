"""Find a row of a table by the words of its names."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row")


class Entry(msgspec.Struct, Generic[Row], frozen=True):
    """A row, and the words of each of its names."""

    row: Row
    names: tuple[frozenset[str], ...]

    @property
    def all_words(self) -> frozenset[str]:
        """The words of all names."""
        return frozenset().union(*self.names)


def most_specific(table: Sequence[Entry[Row]], asked: frozenset[str], distinguishing: frozenset[str]) -> list[Row]:
    """Return the rows with the longest name in the words, unless a distinguishing word is left over."""
    fitting: dict[int, list[Row]] = {}
    for entry in table:
        lengths = [len(words) for words in entry.names if words <= asked]
        if lengths and not (asked - entry.all_words) & distinguishing:
            fitting.setdefault(max(lengths), []).append(entry.row)
    return fitting[max(fitting)] if fitting else []


def completions(table: Sequence[Entry[Row]], asked: frozenset[str]) -> list[Row]:
    """Return the rows that complete a partial name such as "4090" or "h100" with the fewest words."""
    fitting: dict[int, list[Row]] = {}
    for entry in table:
        missing = [len(words - asked) for words in entry.names if asked <= words]
        if missing:
            fitting.setdefault(min(missing), []).append(entry.row)
    return fitting[min(fitting)] if fitting else []
