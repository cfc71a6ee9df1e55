"""A grammar as places: what can come at each of them, what follows it, and how far it is from there to the end.

A place is made when it is first reached, so that a large grammar costs what is used of it. What is counted, characters
of a literal and repetitions, is not part of a place but comes with it: `count`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from g4run.engine.following.characters import LAST_ASCII, CharacterSet, is_text, utf8_length
from g4run.engine.following.costs import INFINITE, measure_shortest
from g4run.engine.gbnf import MAX_REPETITIONS, Alternatives, Characters, Gbnf, Term


@dataclass(slots=True, eq=False)
class Place:
    """A part of a sequence. `cost` are the bytes that end the sequence from here, at least; a token counts as one."""

    following: "Place | None"
    cost: float

    @property
    def cost_behind(self) -> float:
        """The bytes that end the sequence behind this part."""
        return 0 if self.following is None else self.following.cost


@dataclass(slots=True, eq=False)
class Literal(Place):
    """A text; `count` of its characters are written. `costs` are its bytes from each character on."""

    codes: tuple[int, ...]
    costs: tuple[float, ...]


@dataclass(slots=True, eq=False)
class OneOf(Place):
    """One character of a set."""

    characters: CharacterSet


@dataclass(slots=True, eq=False)
class Named(Place):
    """One token."""

    token: int


@dataclass(slots=True, eq=False)
class Choice(Place):
    """A rule or a group."""

    alternatives: Alternatives


@dataclass(slots=True, eq=False)
class Repetition(Place):
    """A part, `count` of which are written; `most` of None is without bound. What may be empty has `least` 0."""

    unit: Place
    least: int
    most: int | None


class Places:
    """The places of one grammar. Text that cannot be written, and tokens of `barred`, are taken for endless."""

    def __init__(self, grammar: Gbnf, token_ids: Mapping[str, int], barred: frozenset[int]) -> None:
        """`token_ids` are the tokens that the grammar names, as it writes them."""
        self._rules = grammar.rules
        self._token_ids = token_ids
        self._barred = barred
        self._costs = measure_shortest(grammar.rules, self._cost_of_part)
        self._entries: dict[Alternatives, tuple[Place | None, ...]] = {}

    @property
    def root(self) -> Place:
        """Where an answer begins."""
        return self._choice(self._rules["root"], None)

    def entries(self, alternatives: Alternatives) -> tuple[Place | None, ...]:
        """Where each alternative begins; None is one that is empty."""
        found = self._entries.get(alternatives)
        if found is None:
            found = tuple(self._sequence(sequence) for sequence in alternatives.sequences)
            self._entries[alternatives] = found
        return found

    def _sequence(self, terms: tuple[Term, ...]) -> Place | None:
        place = None
        for term in reversed(terms):
            if term.elements and term.most != 0:
                place = self._part(term, place)
        return place

    def _part(self, term: Term, following: Place | None) -> Place:
        if (term.least, term.most) == (1, 1):
            return self._once(term, following)
        unit = self._once(term, None)
        least = term.least if unit.cost else 0
        most = None if term.most is None or term.most > MAX_REPETITIONS else term.most
        cost = (least * unit.cost if least else 0) + (following.cost if following else 0)
        return Repetition(following, cost, unit, least, most)

    def _once(self, term: Term, following: Place | None) -> Place:
        if term.rule:
            return self._choice(self._rules[term.rule], following)
        if term.group is not None:
            return self._choice(term.group, following)
        cost = self._cost_of_part(term) + (following.cost if following else 0)
        if term.token:
            return Named(following, cost, self._token_ids[term.token])
        if term.characters is not None:
            return OneOf(following, cost, _set_of(term.characters))
        return Literal(following, cost, term.literal, _costs_from_each(term.literal))

    def _choice(self, alternatives: Alternatives, following: Place | None) -> Place:
        cost = self._costs.get(alternatives, INFINITE) + (following.cost if following else 0)
        return Choice(following, cost, alternatives)

    def _cost_of_part(self, term: Term) -> float:
        """Of a part that refers to nothing."""
        if term.token:
            return INFINITE if self._token_ids[term.token] in self._barred else 1
        if term.characters is not None:
            return _cost_of_set(term.characters)
        if term.literal and max(term.literal) <= LAST_ASCII and min(term.literal):
            return len(term.literal)
        return sum(map(_cost_of_character, term.literal))


def _costs_from_each(codes: tuple[int, ...]) -> tuple[float, ...]:
    def add() -> Iterator[float]:
        total: float = 0
        for code in reversed(codes):
            total += _cost_of_character(code)
            yield total

    return tuple(add())[::-1]


def _cost_of_character(code: int) -> float:
    return utf8_length(code) if is_text(code) else INFINITE


@lru_cache(maxsize=1024)
def _set_of(characters: Characters) -> CharacterSet:
    return CharacterSet.of(characters)


@lru_cache(maxsize=1024)
def _cost_of_set(characters: Characters) -> float:
    code = _set_of(characters).choose(0, 0x10FFFF)
    return INFINITE if code is None else utf8_length(code)
