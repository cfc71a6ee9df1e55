"""The state that all threads of a download share: which ranges are present, and who fetches what next."""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from g4run.errors import NetworkError

_SMALLEST_SEGMENT_BYTES = 2**20  # smaller requests are not worth their round trip

Range = tuple[int, int]  # start and end, as in a slice


class Ranges:
    """A set of bytes as disjoint ranges in ascending order."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[Range]:
        return iter(tuple(zip(self._starts, self._ends, strict=True)))

    def add(self, start: int, end: int) -> None:
        """Add a range to the set; an empty one changes nothing."""
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
        """The number of bytes in the set."""
        return sum(self._ends) - sum(self._starts)

    @property
    def front(self) -> int:
        """The first missing byte."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    def gaps(self, start: int, end: int) -> tuple[Range, ...]:
        """Return what is missing between two offsets, in order."""
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


class Segment:
    """What one connection fetches; `position` is the first byte not written yet, `end` may move closer."""

    def __init__(self, start: int, end: int) -> None:
        self.position = start
        self.end = end


class Schedule:
    """Hand out segments in file order, so that hashing can follow, and collect what was written.

    Segments get smaller towards the end; a connection without work takes half of what another one has left. When
    `is_stopped` is set, every thread should end.
    """

    def __init__(self, size_bytes: int, present: Iterable[Range], connections: int, segment_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._connections = connections
        self._segment_bytes = segment_bytes
        lock = threading.RLock()
        self._changed = threading.Condition(lock)  # a segment was given back, or the download ended
        self._front_moved = threading.Condition(lock)
        self._present = Ranges(present)
        self.present_bytes = self._present.total
        self._active: list[Segment] = []
        self._streaming: Segment | None = None
        self._failure: BaseException | None = None
        self.is_stopped = False

    @property
    def is_complete(self) -> bool:
        """Whether the whole file is present."""
        return self.present_bytes == self.size_bytes

    @property
    def is_ending(self) -> bool:
        """Whether threads should fetch nothing more."""
        return self.is_stopped or self.is_complete

    def take(self) -> Segment | None:
        """Return the next segment; wait while another connection may give one back. None: nothing is left to do."""
        with self._changed:
            while not (self.is_ending or self._streaming):
                segment = self._next_gap() or self._half_of_the_largest()
                if segment:
                    self._active.append(segment)
                    return segment
                self._changed.wait()
            return None

    def give_back(self, segment: Segment) -> None:
        """Give back what is left of a segment."""
        with self._changed:
            self._active.remove(segment)
            self._streaming = None if self._streaming is segment else self._streaming
            self._changed.notify_all()

    def stream_whole(self, segment: Segment) -> bool:
        """Make this segment the only one, for a server that ignores ranges; False if another one already is."""
        with self._changed:
            if self._streaming is None:
                self._streaming = segment
                segment.position, segment.end = 0, self.size_bytes
            return self._streaming is segment

    def wanted(self, segment: Segment, start: int, end: int) -> tuple[Range, ...]:
        """Return which of the received bytes to write."""
        with self._changed:
            return self._present.gaps(start, min(end, segment.end))

    def record(self, start: int, end: int) -> None:
        """Record a range as written."""
        with self._changed:
            self._present.add(start, end)
            self.present_bytes = self._present.total
            self._front_moved.notify_all()
            if self.is_complete:
                self._changed.notify_all()

    def wait_for_front(self, beyond: int, at_least: int) -> int:
        """Wait until `at_least` bytes after `beyond`, or the rest, are there; return the first missing byte.

        Returns `beyond` if the download stops.
        """
        with self._changed:
            aim = min(beyond + at_least, self.size_bytes)
            self._front_moved.wait_for(lambda: self.is_stopped or self._present.front >= aim)
            return beyond if self.is_stopped else self._present.front

    def pause(self, seconds: float) -> None:
        """Sleep, but not longer than until the download ends."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_ending, seconds)

    def fail(self, error: BaseException) -> None:
        """End the download with an error; the first error counts, but others come before network errors."""
        with self._changed:
            is_graver = isinstance(self._failure, NetworkError) and not isinstance(error, NetworkError)
            if self._failure is None or is_graver:
                self._failure = error
            self.stop()

    def stop(self) -> None:
        """Ask every thread to end."""
        with self._changed:
            self.is_stopped = True
            self._changed.notify_all()
            self._front_moved.notify_all()

    def raise_failure(self) -> None:
        """Raise the error that ended the download, if there is one."""
        if self._failure is not None:
            raise self._failure

    def _next_gap(self) -> Segment | None:
        taken = Ranges(self._present)
        for active in self._active:
            taken.add(active.position, active.end)
        gaps = taken.gaps(0, self.size_bytes)
        if not gaps:
            return None
        start, end = gaps[0]
        waiting = sum(end - start for start, end in gaps)
        share = max(waiting // (2 * self._connections), min(_SMALLEST_SEGMENT_BYTES, self._segment_bytes))
        return Segment(start, min(end, start + min(share, self._segment_bytes)))

    def _half_of_the_largest(self) -> Segment | None:
        largest = max(self._active, key=lambda active: active.end - active.position, default=None)
        if largest is None or largest.end - largest.position < 2 * _SMALLEST_SEGMENT_BYTES:
            return None
        middle = (largest.position + largest.end) // 2
        stolen = Segment(middle, largest.end)
        largest.end = middle
        return stolen
