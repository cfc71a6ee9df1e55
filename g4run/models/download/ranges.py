"""Sets of byte ranges: which parts of a file are there, and which are not."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]  # start and end, as in a slice: the byte at `end` is not in it


class Ranges:
    """Disjoint ranges in ascending order; neighbours that touch are one."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[Range]:
        return iter(tuple(zip(self._starts, self._ends, strict=True)))

    def add(self, start: int, end: int) -> None:
        """Join a range to the set; an empty one changes nothing."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    @property
    def total(self) -> int:
        """How many bytes are in the set."""
        return sum(self._ends) - sum(self._starts)

    @property
    def front(self) -> int:
        """The first byte that is missing."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    def gaps(self, start: int, end: int) -> tuple[Range, ...]:
        """What is missing between two places, in order."""
        gaps = []
        for index in range(bisect_right(self._ends, start), len(self._starts)):
            if self._starts[index] >= end:
                break
            if start < self._starts[index]:
                gaps.append((start, self._starts[index]))
            start = self._ends[index]
        if start < end:
            gaps.append((start, end))
        return tuple(gaps)
