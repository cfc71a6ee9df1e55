"""A state of following: the stacks in which a grammar can stand, and a character of which only a part is written."""

from dataclasses import dataclass

from g4run.engine.following.costs import INFINITE
from g4run.engine.following.stacks import Frame, Tops

_FIRST_OF_LENGTH = (0, 0, 0x80, 0x800, 0x10000)  # code points that take so many bytes in UTF-8


@dataclass(frozen=True, slots=True)
class Partial:
    """A character of `length` bytes of which the last `missing` are not written; `value` are the bits of the others."""

    value: int
    missing: int
    length: int

    @classmethod
    def begin(cls, byte: int) -> "Partial | None":
        """What a byte above ASCII begins, if anything; of those that UTF-8 does not have, something beyond Unicode."""
        if byte < 0xC0:
            return None
        length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        return cls(byte & (0x1F if length == 2 else 0xF), length - 1, length)

    def go_on(self, byte: int) -> "Partial | None":
        """It with a byte more, if that byte can continue a character."""
        return Partial(self.value << 6 | byte & 0x3F, self.missing - 1, self.length) if 0x80 <= byte < 0xC0 else None

    @property
    def low(self) -> int:
        """The first code point that it can become, and that does not fit into fewer bytes."""
        return max(self.value << 6 * self.missing, _FIRST_OF_LENGTH[self.length])

    @property
    def high(self) -> int:
        """The last code point that it can become."""
        return ((self.value + 1) << 6 * self.missing) - 1


class State:
    """The tops of the stacks, a partial character, and what is known to follow. `cost` are the bytes to the end."""

    __slots__ = ("after_byte", "after_token", "cost", "partial", "tops")

    def __init__(self, tops: Tops, partial: Partial | None) -> None:
        self.tops = tops
        self.partial = partial
        self.after_byte: dict[int, State] = {}
        self.after_token: dict[int, State] = {}
        self.cost = _cost(tops, partial)

    @property
    def may_end(self) -> bool:
        """Whether the grammar is complete."""
        return self.partial is None and None in self.tops


def cheapest(tops: Tops, partial: Partial) -> Frame | None:
    """The frame with the shortest end behind a character that completes a partial one; None where none ends."""
    low, high = partial.low, partial.high
    found = [frame for frame in tops if frame is not None and frame.could_write(low, high)]
    best = min(found, key=lambda frame: frame.cost_behind, default=None)
    return best if best is not None and best.cost_behind < INFINITE else None


def _cost(tops: Tops, partial: Partial | None) -> float:
    if partial is None:
        return min((0 if frame is None else frame.cost for frame in tops), default=INFINITE)
    found = cheapest(tops, partial)
    return INFINITE if found is None else partial.missing + found.cost_behind
