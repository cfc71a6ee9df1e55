"""Objects and arrays as rules: which members or items may follow one another, and where the commas go."""

from collections.abc import Sequence
from dataclasses import dataclass

from g4run.chat.grammars.dialects import Dialect
from g4run.chat.grammars.rules import Literal, Parts, Reference, Rules

_NEAR = 16  # members that a rule can skip itself: llama.cpp recurses along rules that begin with one another


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

    def allow(self, count: int) -> bool:
        """Whether there may be so many."""
        return count >= self.least and (self.most is None or count <= self.most)


class ObjectWriter:
    """Writes an object: the members in their order, then any number of further ones.

    Further members may repeat a key, and count once then: so at least two distinct ones cannot be asked for, and what
    `bounds.least` asks for is met by declared members, or by all but one of them and a further one.
    """

    def __init__(
        self, rules: Rules, dialect: Dialect, members: Sequence[Member], further: Reference | None, bounds: Bounds
    ) -> None:
        self._rules = rules
        self._dialect = dialect
        self._members = members
        self._further = further
        self._bounds = bounds
        self._counts = bounds != Bounds()
        self._taking: dict[tuple[int, int], Reference] = {}  # by member, and by how many were written before it
        self._following: dict[tuple[int, int], Reference] = {}

    def define(self) -> Reference:
        """Make the rules, from the last member to the first."""
        last = len(self._members)
        self._following = {(last, count): self._finish(count) for count in self._written(last)}
        for index in range(last - 1, -1, -1):
            counts = self._written(index)
            self._taking |= {(index, count): self._take(index, count) for count in counts}
            self._following |= {(index, count): self._choose(index, count) for count in counts}
        return self._rules.define("object", [(Literal("{"), *self._dialect.space, self._following[0, 0])])

    def _written(self, index: int) -> range:
        """How many members may have been written before the one at `index`; uncounted, 1 stands for any."""
        return range(index + 1) if self._counts else range(min(index, 1) + 1)

    def _take(self, index: int, count: int) -> Reference:
        """A member and all that may follow it."""
        member = self._members[index]
        comma = (Literal(","), *self._dialect.space) if count else ()
        after = self._following[index + 1, count + 1 if self._counts else 1]
        written = (*comma, *member.key, *self._dialect.colon, member.value, after)
        return self._rules.define("member", [written])

    def _choose(self, index: int, count: int) -> Reference:
        """This member or one behind it, up to the next that is required; the far ones through a rule of their own."""
        alternatives: list[Parts] = []
        for place in range(index, len(self._members)):
            if place == index + _NEAR:
                return self._rules.define("members", [*alternatives, (self._following[place, count],)])
            alternatives.append((self._taking[place, count],))
            if self._members[place].is_required:
                return self._rules.define("members", alternatives)
        return self._rules.define("members", [*alternatives, (self._following[len(self._members), count],)])

    def _finish(self, count: int) -> Reference:
        """What may follow the declared members."""
        close = (*self._dialect.space, Literal("}"))
        endings = [close if count else (Literal("}"),)] if self._bounds.allow(count) else []
        if self._further is None:
            return self._rules.define("members", endings)
        missing = self._bounds.least - count
        most = None if self._bounds.most is None else self._bounds.most - count
        if missing <= 1 and (most is None or most > 0):
            comma = (Literal(","), *self._dialect.space)
            more = self._rules.define("further", [(*comma, self._further)])
            rest = self._rules.repeat(more, 0, None if most is None else most - 1)
            endings.append((*(comma if count else ()), self._further, *rest, *close))
        return self._rules.define("members", endings)


def define_array(
    rules: Rules, dialect: Dialect, prefix: Sequence[Reference], items: Reference | None, bounds: Bounds
) -> Reference:
    """Write an array: items of their own in the first places, then as many equal ones as the bounds allow."""
    comma = (Literal(","), *dialect.space)
    following = _finish_array(rules, dialect, items, bounds, len(prefix))
    for index in range(len(prefix) - 1, -1, -1):
        written = (*(comma if index else ()), prefix[index], following)
        close = (*(dialect.space if index else ()), Literal("]"))
        endings = [close] if index >= bounds.least else []
        may_go_on = bounds.most is None or index < bounds.most
        following = rules.define("items", [*([written] if may_go_on else []), *endings])
    return rules.define("array", [(Literal("["), *dialect.space, following)])


def _finish_array(rules: Rules, dialect: Dialect, items: Reference | None, bounds: Bounds, count: int) -> Reference:
    """What may follow the first `count` items."""
    close = (*dialect.space, Literal("]"))
    endings = [close if count else (Literal("]"),)] if bounds.allow(count) else []
    most = None if bounds.most is None else bounds.most - count
    if items is not None and (most is None or most > 0):
        comma = (Literal(","), *dialect.space)
        more = rules.define("more", [(*comma, items)])
        least = max(bounds.least - count, 1)
        rest = rules.repeat(more, least - 1, None if most is None else most - 1)
        endings.append((*(comma if count else ()), items, *rest, *close))
    return rules.define("items", endings)
