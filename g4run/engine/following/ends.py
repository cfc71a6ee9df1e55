"""How many tokens the shortest end of a grammar takes, and which."""

from collections.abc import Iterator
from itertools import takewhile

from g4run.engine.following.completion import complete_sequence, join
from g4run.engine.following.costs import INFINITE
from g4run.engine.following.follower import Follower
from g4run.engine.following.spelling import Spelling
from g4run.engine.following.stacks import Frame
from g4run.engine.following.states import State

_LITTLE = 512  # bytes of an end that are tokenized for every token that may not fit: about 0.5 ms
_MUCH = 65_536  # bytes of an end that is taken for none: 65 ms to tokenize, and more than an answer is long


class Ends:
    """The ends of one grammar's states, in tokens."""

    def __init__(self, follower: Follower, spelling: Spelling) -> None:
        self._follower = follower
        self._spelling = spelling

    def fits(self, state: State, room: int) -> bool:
        """Whether so many tokens are known to be enough. No token is less than a byte, and most need no other proof."""
        if state.cost <= room:
            return True
        if state.cost > _MUCH:
            return False
        if self._count_by_frames(state) <= room:
            return True
        return state.cost <= _LITTLE and self.find(state, room) is not None

    def find(self, state: State, room: int) -> list[int] | None:
        """The tokens of an end, at most so many; None where there is none, or none that can be written."""
        parts_of_all = self._follower.completion(state) if state.cost <= _MUCH else None
        whole = None if parts_of_all is None else self._spelling.tokens(parts_of_all)
        if whole is None or len(whole) <= room:
            return whole
        way = self._follower.way(state)
        assert way is not None  # else there was no completion
        parts = [self._spelling.tokens((way.first,)), *map(self._spell_sequence, _outwards(way.rest))]
        found = [token for part in parts if part for token in part]  # seldom, but possibly, fewer than together
        return found if len(found) <= room and None not in parts else None

    def _count_by_frames(self, state: State) -> float:
        """How many tokens write the rest of each rule apart: somewhat more than together, but counted only once."""
        way = self._follower.way(state)
        first = None if way is None else self._spelling.tokens((way.first,))
        if way is None or first is None:
            return INFINITE
        unknown = list(takewhile(lambda frame: frame.tokens is None, _outwards(way.rest)))
        known = unknown[-1].parent if unknown else way.rest
        count = known.tokens if known is not None and known.tokens is not None else 0
        for frame in reversed(unknown):
            own = self._spell_sequence(frame)
            count += _MUCH if own is None else len(own)
            frame.tokens = count
        return len(first) + count

    def _spell_sequence(self, frame: Frame) -> list[int] | None:
        return self._spelling.tokens(join(complete_sequence(frame.place, frame.count, self._follower.places)))


def _outwards(frame: Frame | None) -> Iterator[Frame]:
    while frame is not None:
        yield frame
        frame = frame.parent
