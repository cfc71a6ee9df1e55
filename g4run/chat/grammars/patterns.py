"""Regular expressions to automata."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, TypeAlias

from g4run.chat.grammars import characters
from g4run.chat.grammars.automata import Automaton, TooComplex, anything, explore, intersect
from g4run.chat.grammars.characters import EVERY, CharacterSet
from g4run.chat.grammars.pattern_syntax import Chain, Choice, End, Node, OneOf, Repeat, Start, parse_pattern

_MAX_PLACES: Final = 20_000  # of the automaton that may be in many states at once; counts are laid out in it
_MAX_STEPS: Final = 2_000_000  # while it is made deterministic: about 2 s

_State: TypeAlias = tuple[frozenset[int], bool]  # where it may be, and whether nothing has been read yet


@lru_cache(maxsize=64)
def compile_pattern(text: str) -> Automaton:
    """The texts in which an expression is found somewhere, as JSON schema's "pattern" means it.

    Raises NotRegular and TooComplex.
    """
    tree = parse_pattern(text)
    everywhere = Repeat(OneOf(EVERY), 0, None)
    return _Places(Chain((everywhere, tree, everywhere))).determine()


@lru_cache(maxsize=64)
def compile_whole(*texts: str) -> Automaton:
    """The texts that every one of some expressions describes from beginning to end."""
    whole = anything()
    for text in texts:
        whole = intersect(whole, _Places(parse_pattern(text)).determine())
    return whole


class _Places:
    """Thompson's construction: places joined by characters, or by nothing, or by an anchor."""

    def __init__(self, tree: Node) -> None:
        self._free: list[list[tuple[int, type[Start] | type[End] | None]]] = []
        self._reading: list[tuple[CharacterSet, int] | None] = []
        self._steps = 0
        self._start = self._new()
        self._end = self._add(tree, self._start)

    def determine(self) -> Automaton:
        """The deterministic automaton of the same language; raises TooComplex."""
        start: _State = (frozenset({self._start}), True)
        return explore(start, self._moves, lambda state: self._end in self._closure(state, at_end=True))

    def _new(self) -> int:
        if len(self._free) >= _MAX_PLACES:
            raise TooComplex
        self._free.append([])
        self._reading.append(None)
        return len(self._free) - 1

    def _add(self, node: Node, start: int) -> int:
        """Lay out a part from a place on, and give the place behind it."""
        match node:
            case OneOf(allowed):
                end = self._new()
                self._reading[start] = (allowed, end)
                return self._pass(end)
            case Start() | End():
                return self._pass(start, type(node))
            case Chain(parts):
                for part in parts:
                    start = self._add(part, self._pass(start))
                return start
            case Choice(parts):
                end = self._new()
                for part in parts:
                    self._free[self._add(part, self._pass(start))].append((end, None))
                return self._pass(end)
            case Repeat(part, least, most):
                return self._add_repeat(part, least, most, start)

    def _add_repeat(self, part: Node, least: int, most: int | None, start: int) -> int:
        for _ in range(least):
            start = self._add(part, self._pass(start))
        end = self._new()
        self._free[start].append((end, None))
        if most is None:
            loop = self._pass(start)
            again = self._add(part, self._pass(loop))
            self._free[again] += [(loop, None), (end, None)]
        else:
            for _ in range(most - least):
                start = self._add(part, self._pass(start))
                self._free[start].append((end, None))
        return self._pass(end)

    def _pass(self, place: int, anchor: type[Start] | type[End] | None = None) -> int:
        """A new place that is reached from another without reading."""
        following = self._new()
        self._free[place].append((following, anchor))
        return following

    def _closure(self, state: _State, *, at_end: bool) -> set[int]:
        """All places where it may be, before something is read or at the end of the text."""
        found = set(state[0])
        pending = list(found)
        while pending:
            for target, anchor in self._free[pending.pop()]:
                if (anchor is Start and not state[1]) or (anchor is End and not at_end) or target in found:
                    continue
                found.add(target)
                pending.append(target)
        self._steps += len(found)
        if self._steps > _MAX_STEPS:
            raise TooComplex
        return found

    def _moves(self, state: _State) -> Iterator[tuple[CharacterSet, _State]]:
        reading = [move for place in self._closure(state, at_end=False) if (move := self._reading[place])]
        for allowed, targets in _divide(reading):
            yield allowed, (targets, False)


def _divide(moves: Iterable[tuple[CharacterSet, int]]) -> Iterator[tuple[CharacterSet, frozenset[int]]]:
    """Cut sets that overlap into disjoint ones, each with all the targets it leads to."""
    by_set: dict[CharacterSet, set[int]] = {}
    for allowed, target in moves:
        by_set.setdefault(allowed, set()).add(target)
    edges: list[tuple[int, bool, CharacterSet]] = []
    for allowed in by_set:
        for low, high in allowed:
            edges += [(low, True, allowed), (high + 1, False, allowed)]
    edges.sort(key=lambda edge: edge[:2])
    active: set[CharacterSet] = set()
    joined: dict[frozenset[int], CharacterSet] = {}
    for index, (code, opens, allowed) in enumerate(edges):
        (active.add if opens else active.discard)(allowed)
        until = edges[index + 1][0] if index + 1 < len(edges) else code
        if active and until > code:
            targets = frozenset().union(*(by_set[each] for each in active))
            joined[targets] = characters.join(joined.get(targets, ()), ((code, until - 1),))
    for targets, ranges in joined.items():
        yield ranges, targets
