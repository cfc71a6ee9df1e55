"""Objects and arrays as rules: which members or items may follow one another, and where the commas go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from g4run.chat.structured_output.notations import Notation
from g4run.chat.structured_output.rules import Parts, Reference, Rules


@dataclass(frozen=True, slots=True)
class Member:
    """A declared property."""

    key: Parts
    value: Reference
    is_required: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many members or items there may be; `most` None is no bound."""

    least: int = 0
    most: int | None = None

    def has_room(self, count: int) -> bool:
        """Whether another may follow so many."""
        return self.most is None or count < self.most

    def less(self, count: int, *, at_least: int) -> tuple[int, int | None]:
        """The bounds of what follows the first `count`, of which there are at least `at_least`."""
        return max(self.least - count, at_least), None if self.most is None else self.most - count


def write_object(
    rules: Rules, notation: Notation, members: Sequence[Member], further: Reference | None, bounds: Bounds
) -> Reference:
    """Write an object: the members in their order, then any number of further ones.

    Further members may repeat a key, and count once then: so at least two distinct ones cannot be asked for, and what
    `bounds.least` asks for is met by declared members, or by all but one of them and a further one.

    The rules are made from the last member to the first, one for each number of members before it that makes a
    difference: none or some, and where members are counted, each number.
    """
    enough = max(1, bounds.least if bounds.most is None else bounds.most)
    following = {
        count: _finish_object(rules, notation, further, bounds, count) for count in range(min(len(members), enough) + 1)
    }
    for index in range(len(members) - 1, -1, -1):
        member = members[index]
        written = (*member.key, notation.colon, member.value)
        rest = following
        following = {}
        for count in range(min(index, enough) + 1):
            comma = (notation.comma,) if count else ()
            taken = [(*comma, *written, rest[min(count + 1, enough)])] if bounds.has_room(count) else []
            skipped = [] if member.is_required else [(rest[count],)]
            following[count] = rules.define("members", [*taken, *skipped])
    return rules.define("object", [(notation.opening("{"), following[0])])


def _finish_object(
    rules: Rules, notation: Notation, further: Reference | None, bounds: Bounds, count: int
) -> Reference:
    """What may follow the declared members."""
    endings: list[Parts] = []
    if count >= bounds.least:
        endings.append((notation.closing("}", is_empty=not count),))
    if further is not None and bounds.least - count <= 1 and bounds.has_room(count):
        endings.append((*_list(rules, notation, further, bounds, count), notation.closing("}", is_empty=False)))
    return rules.define("members", endings)


def write_array(
    rules: Rules, notation: Notation, prefix: Sequence[Reference], items: Reference | None, bounds: Bounds
) -> Reference:
    """Write an array: items of their own in the first places, then as many equal ones as the bounds allow."""
    count = len(prefix)
    following: list[Parts] = [(notation.closing("]", is_empty=not count),)] if count >= bounds.least else []
    if items is not None and bounds.has_room(count):
        following.append((*_list(rules, notation, items, bounds, count), notation.closing("]", is_empty=False)))
    for index in range(count - 1, -1, -1):
        comma = (notation.comma,) if index else ()
        written = [(*comma, prefix[index], rules.define("items", following))] if bounds.has_room(index) else []
        following = [(notation.closing("]", is_empty=not index),)] if index >= bounds.least else []
        following += written
    return rules.define("array", [(notation.opening("["), *part) for part in following])


def _list(rules: Rules, notation: Notation, each: Reference, bounds: Bounds, count: int) -> Parts:
    """One or more of the same behind the first `count`, as many as the bounds ask for."""
    more = rules.define("more", [(notation.comma, each)])
    if count:
        least, most = bounds.less(count, at_least=1)
        return (replace(more, least=least, most=most),)
    least, most = bounds.less(1, at_least=0)
    return (each, replace(more, least=least, most=most))
