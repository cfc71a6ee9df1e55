"""Regular languages as deterministic automata: what patterns, formats, lengths, keys and numbers are computed with.

Working on automata rather than on texts makes intersections and differences exact, and a grammar made of one has at
every place one way to go on, which is what llama.cpp is fast at.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from g4run.chat.grammars import characters
from g4run.chat.grammars.characters import EVERY, CharacterSet

MAX_STATES: Final = 6_000
"""States that an automaton may have; each becomes a rule of the grammar. An automaton of this size takes under 1 s."""
_MINIMIZED_STATES: Final = 400  # refinement takes up to states x states steps

Move: TypeAlias = tuple[CharacterSet, int]
State = TypeVar("State", bound=Hashable)


class TooComplex(Exception):
    """An automaton would get more than MAX_STATES states; the caller says whose."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """States are numbers and begin at 0; the sets of one state's moves are disjoint; every state leads to an end.

    Only the empty language has a state that leads nowhere: its single one.
    """

    moves: tuple[tuple[Move, ...], ...]
    accepting: frozenset[int]

    @property
    def is_empty(self) -> bool:
        """Whether no text at all is accepted."""
        return not self.accepting

    def accepts(self, text: str) -> bool:
        """Whether the language holds a text."""
        state: int | None = 0
        for character in text:
            moves = self.moves[state] if state is not None else ()
            state = next((target for allowed, target in moves if characters.holds(allowed, character)), None)
        return state is not None and state in self.accepting


def explore(
    start: State,
    moves: Callable[[State], Iterable[tuple[CharacterSet, State]]],
    accepts: Callable[[State], bool],
    most_states: int = MAX_STATES,
) -> Automaton:
    """Build the automaton that a description of states spans; raises TooComplex."""
    numbers: dict[State, int] = {start: 0}
    found: list[State] = [start]
    table: list[dict[int, CharacterSet]] = []
    for state in found:  # grows while it is gone through
        targets: dict[int, CharacterSet] = {}
        for allowed, target in moves(state):
            if target not in numbers:
                if len(numbers) >= most_states:
                    raise TooComplex
                numbers[target] = len(found)
                found.append(target)
            number = numbers[target]
            targets[number] = characters.join(targets.get(number, ()), allowed)
        table.append(targets)
    return _trim(table, {number for state, number in numbers.items() if accepts(state)})


def _trim(table: Sequence[dict[int, CharacterSet]], accepting: set[int]) -> Automaton:
    """Drop what cannot lead to an end, and join states that accept the same."""
    sources: list[list[int]] = [[] for _ in table]
    for state, targets in enumerate(table):
        for target in targets:
            sources[target].append(state)
    live = set(accepting)
    pending = list(accepting)
    while pending:
        for source in sources[pending.pop()]:
            if source not in live:
                live.add(source)
                pending.append(source)
    if 0 not in live:
        return Automaton(((),), frozenset())
    kinds = _classify(table, accepting, live)
    return _renumber(table, accepting, kinds)


def _classify(table: Sequence[dict[int, CharacterSet]], accepting: set[int], live: set[int]) -> dict[int, int]:
    """A class for each live state, equal ones in one class where the automaton is small (Moore's refinement)."""
    if len(live) > _MINIMIZED_STATES:
        return {state: number for number, state in enumerate(sorted(live))}
    kinds = {state: int(state in accepting) for state in live}
    count = 0
    while count < (count := len(set(kinds.values()))):
        numbers: dict[Hashable, int] = {}
        kinds = {
            state: numbers.setdefault((kinds[state], _signature(table[state], kinds)), len(numbers)) for state in live
        }
    return kinds


def _signature(targets: dict[int, CharacterSet], kinds: dict[int, int]) -> Hashable:
    joined: dict[int, CharacterSet] = {}
    for target, allowed in targets.items():
        if target in kinds:
            joined[kinds[target]] = characters.join(joined.get(kinds[target], ()), allowed)
    return frozenset(joined.items())


def _renumber(table: Sequence[dict[int, CharacterSet]], accepting: set[int], kinds: dict[int, int]) -> Automaton:
    """One state for each class, numbered as they are met from the start."""
    numbers = {kinds[0]: 0}
    members = [0]
    moves: list[tuple[Move, ...]] = []
    for state in members:  # grows while it is gone through
        joined: dict[int, CharacterSet] = {}
        for target, allowed in table[state].items():
            if target in kinds:
                kind = kinds[target]
                if kind not in numbers:
                    numbers[kind] = len(members)
                    members.append(target)
                joined[numbers[kind]] = characters.join(joined.get(numbers[kind], ()), allowed)
        moves.append(tuple((allowed, number) for number, allowed in joined.items()))
    return Automaton(tuple(moves), frozenset(number for number, state in enumerate(members) if state in accepting))


def intersect(left: Automaton, right: Automaton) -> Automaton:
    """The texts that both accept; raises TooComplex."""

    def moves(state: tuple[int, int]) -> Iterable[tuple[CharacterSet, tuple[int, int]]]:
        for left_set, left_target in left.moves[state[0]]:
            for right_set, right_target in right.moves[state[1]]:
                if common := characters.meet(left_set, right_set):
                    yield common, (left_target, right_target)

    def accepts(state: tuple[int, int]) -> bool:
        return state[0] in left.accepting and state[1] in right.accepting

    return explore((0, 0), moves, accepts, max(MAX_STATES, 2 * len(left.moves), 2 * len(right.moves)))


def complement(automaton: Automaton) -> Automaton:
    """The texts that it does not accept."""
    outside = len(automaton.moves)

    def moves(state: int) -> Iterable[Move]:
        rest = EVERY
        for allowed, target in automaton.moves[state] if state < outside else ():
            yield allowed, target
            rest = characters.subtract(rest, allowed)
        if rest:
            yield rest, outside

    return explore(0, moves, lambda state: state not in automaton.accepting)


def of_words(words: Iterable[str]) -> Automaton:
    """The automaton of some texts, as large as they are long."""
    ordered = sorted(set(words))

    def moves(state: tuple[int, int, int]) -> Iterable[tuple[CharacterSet, tuple[int, int, int]]]:
        start, end, depth = state  # the words from start to end agree in their first `depth` characters
        index = start + (start < end and len(ordered[start]) == depth)
        while index < end:
            first, letter = index, ordered[index][depth]
            while index < end and ordered[index][depth] == letter:
                index += 1
            yield characters.of(letter), (first, index, depth + 1)

    def accepts(state: tuple[int, int, int]) -> bool:
        return state[0] < state[1] and len(ordered[state[0]]) == state[2]

    return explore((0, len(ordered), 0), moves, accepts, 2 + sum(map(len, ordered)))


def of_lengths(least: int, most: int | None) -> Automaton:
    """The texts with a number of code points between two bounds, `most` of None being none; raises TooComplex."""
    last = least if most is None else most
    if last >= MAX_STATES:
        raise TooComplex
    moves: list[tuple[Move, ...]] = [((EVERY, count + 1),) for count in range(last)]
    moves.append(((EVERY, last),) if most is None else ())
    return Automaton(tuple(moves), frozenset(range(least, last + 1)))


def lengths(automaton: Automaton) -> tuple[int, int | None]:
    """The least and the greatest number of code points of an accepted text; None where there is no greatest."""
    level = {0}
    shortest: int | None = None
    for length in range(len(automaton.moves) + 1):
        if shortest is None and level & automaton.accepting:
            shortest = length
        if not level:
            return shortest or 0, length - 1
        level = {target for state in level for _, target in automaton.moves[state]}
    return shortest or 0, None


@lru_cache(maxsize=1)
def anything() -> Automaton:
    """The automaton of every text."""
    return Automaton((((EVERY, 0),),), frozenset({0}))
