"""The stacks that follow a grammar: what is left to do, linked from the innermost rule to the root.

The stacks are those of llama.cpp (llama-grammar.cpp:864), but for repetitions, which are numbers here and rules there;
equal ones are one object, and what follows from one is found out once.
"""

from g4run.engine.following.characters import is_text
from g4run.engine.following.places import Choice, Literal, Named, OneOf, Place, Places, Repetition

MOST_STACKS = 2000  # at the same time
_MOST_STEPS = 20_000  # from one character to what may follow it
# Bytes, of an object with its entry in a dictionary; all together up to a half more than tracemalloc counts.
_FRAME_BYTES = 330
_REFERENCE_BYTES = 8


class TooAmbiguous(Exception):
    """There are more stacks than are worth following."""


class Frame:
    """A place with its count, and the frame where its sequence goes on; None is the end of the grammar.

    `cost` are the bytes of the shortest text from here to the end, `tokens` how many spell it, once that is known.
    """

    __slots__ = ("behind", "cost", "count", "parent", "place", "settled", "tokens")

    def __init__(self, place: Place, count: int, parent: "Frame | None") -> None:
        self.place = place
        self.count = count
        self.parent = parent
        self.cost: float = _cost_in_sequence(place, count) + (parent.cost if parent else 0)
        self.settled: Tops | None = None
        self.behind: Tops | None = None
        self.tokens: int | None = None

    @property
    def cost_behind(self) -> float:
        """The same without the character or the token that comes next."""
        behind = self.place.cost_behind
        if isinstance(self.place, Literal) and self.count + 1 < len(self.place.codes):
            behind += self.place.costs[self.count + 1]
        return behind + (self.parent.cost if self.parent else 0)

    def could_take(self, low: int, high: int) -> bool:
        """Whether a character between two code points, both included, can come next."""
        match self.place:
            case Literal(codes=codes):
                return low <= codes[self.count] <= high
            case OneOf(characters=characters):
                return characters.holds(low) if low == high else characters.meets(low, high)
        return False

    def could_write(self, low: int, high: int) -> bool:
        """The same, of characters that a text can have."""
        if isinstance(self.place, OneOf):
            return self.place.characters.has_text(low, high)
        return self.could_take(low, high) and self.choose(low, high) is not None

    def choose(self, low: int, high: int) -> int | None:
        """One of those, None where there is none."""
        match self.place:
            case Literal(codes=codes):
                code = codes[self.count]
                return code if low <= code <= high and is_text(code) else None
            case OneOf(characters=characters):
                return characters.choose(low, high)
        return None


Tops = tuple[Frame | None, ...]
"""Frames at each of which a character or a token must come; None is the end of the grammar."""


def _cost_in_sequence(place: Place, count: int) -> float:
    match place:
        case Literal(costs=costs) if count:
            return costs[count] + place.cost_behind
        case Repetition(unit=unit, least=least) if count:
            return (max(0, least - count) * unit.cost if count < least else 0) + place.cost_behind
    return place.cost


class Stacks:
    """Makes frames and finds what follows from them. `size_bytes` is what it keeps, estimated."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._frames: dict[tuple[Place, int, Frame | None], Frame] = {}
        self.size_bytes = 0

    def begin(self) -> Tops:
        """Where a grammar can begin; raises TooAmbiguous."""
        return self._settle(self._frame(self._places.root, 0, None))

    def behind(self, frame: Frame) -> Tops:
        """What can follow the character or the token of a frame; raises TooAmbiguous."""
        if frame.behind is None:
            place = frame.place
            if isinstance(place, Literal) and frame.count + 1 < len(place.codes):
                frame.behind = (self._frame(place, frame.count + 1, frame.parent),)
            else:
                frame.behind = self._settle(self._continue(place.following, frame.parent))
        return frame.behind

    def copy(self, tops: Tops) -> Tops:
        """Frames of other stacks, as new ones of these."""
        return tuple(None if frame is None else self._copy(frame) for frame in tops)

    def _copy(self, frame: Frame) -> Frame:
        line: list[Frame] = []
        following: Frame | None = frame
        while following is not None:
            line.append(following)
            following = following.parent
        copied: Frame | None = None
        for each in reversed(line):
            copied = self._frame(each.place, each.count, copied)
        assert copied is not None
        return copied

    def _frame(self, place: Place, count: int, parent: Frame | None) -> Frame:
        key = (place, count, parent)
        found = self._frames.get(key)
        if found is None:
            found = self._frames[key] = Frame(place, count, parent)
            self.size_bytes += _FRAME_BYTES
        return found

    def _continue(self, place: Place | None, parent: Frame | None) -> Frame | None:
        """The rest of a sequence; where there is none, what its rule is part of, so that a tail adds no frame."""
        return parent if place is None else self._frame(place, 0, parent)

    def _settle(self, frame: Frame | None) -> Tops:
        """The characters and tokens to which a frame leads."""
        if frame is None:
            return (None,)
        if frame.settled is None:
            frame.settled = self._search(frame)
            self.size_bytes += _REFERENCE_BYTES * len(frame.settled)
        return frame.settled

    def _search(self, start: Frame) -> Tops:
        tops: dict[Frame | None, None] = {}
        seen: set[Frame] = set()
        entered: set[Frame] = set()  # repetitions, a part of which has begun in this search
        pending: list[Frame | None] = [start]
        while pending:
            frame = pending.pop()
            if frame is None or isinstance(frame.place, Literal | OneOf | Named):
                tops[frame] = None
            elif frame not in seen and frame not in entered:  # one that comes back here was left without a character
                seen.add(frame)
                pending += reversed(self._expand(frame, entered))
            if len(tops) > MOST_STACKS or len(seen) > _MOST_STEPS:
                raise TooAmbiguous
        return tuple(tops)

    def _expand(self, frame: Frame, entered: set[Frame]) -> list[Frame | None]:
        place, parent = frame.place, frame.parent
        if isinstance(place, Choice):
            rest = self._continue(place.following, parent)
            return [self._continue(entry, rest) for entry in self._places.entries(place.alternatives)]
        assert isinstance(place, Repetition)
        after = self._continue(place.following, parent)
        ways = [after] if frame.count >= place.least else []
        if place.most is None or frame.count < place.most:
            again = self._after_one_more(frame, place, after)
            if again is not None and again is not after:
                entered.add(again)
            ways.insert(0, self._frame(place.unit, 0, again))
        return ways

    def _after_one_more(self, frame: Frame, place: Repetition, after: Frame | None) -> Frame | None:
        """Where a repetition goes on behind one part more; beyond what must come, without bound it is not counted."""
        count = frame.count + 1
        if count == place.most:
            return after
        return self._frame(place, count if place.most is not None else min(count, place.least), frame.parent)
