"""How few bytes end a rule, for each rule and group of a grammar."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from g4run.engine.gbnf import Alternatives, Term

INFINITE = float("inf")  # of what no text ends


@dataclass(slots=True, eq=False)
class _Waiting:
    """A sequence, whose cost is known but for so many references."""

    owner: Alternatives
    cost: float = 0
    missing: int = 0


def measure_shortest(rules: Mapping[str, Alternatives], cost_of: Callable[[Term], float]) -> dict[Alternatives, float]:
    """The bytes of the shortest text of each rule and group that has any; `cost_of` tells those of any other term.

    Knuth's generalization of Dijkstra's algorithm (Information Processing Letters 6:1, 1977): the cheapest sequence of
    which all is known is the shortest text of its rule, since no other can become cheaper.
    """
    users: dict[Alternatives, list[tuple[_Waiting, int]]] = {}
    heap: list[tuple[float, int, Alternatives]] = []
    for alternatives in _all_alternatives(rules):
        for sequence in alternatives.sequences:
            waiting = _Waiting(alternatives)
            for term in sequence:
                needed = term.group or rules.get(term.rule)
                if needed is None:
                    waiting.cost += term.least * cost_of(term) if term.least else 0
                elif term.least:
                    users.setdefault(needed, []).append((waiting, term.least))
                    waiting.missing += 1
            if not waiting.missing and waiting.cost < INFINITE:
                heap.append((waiting.cost, len(heap), alternatives))
    return _settle(heap, users)


def _settle(
    heap: list[tuple[float, int, Alternatives]], users: Mapping[Alternatives, list[tuple[_Waiting, int]]]
) -> dict[Alternatives, float]:
    costs: dict[Alternatives, float] = {}
    heapq.heapify(heap)
    number = len(heap)
    while heap:
        cost, _, alternatives = heapq.heappop(heap)
        if alternatives in costs:
            continue
        costs[alternatives] = cost
        for waiting, times in users.get(alternatives, ()):
            waiting.cost += times * cost
            waiting.missing -= 1
            if not waiting.missing:
                heapq.heappush(heap, (waiting.cost, number, waiting.owner))
                number += 1
    return costs


def _all_alternatives(rules: Mapping[str, Alternatives]) -> Iterator[Alternatives]:
    pending = list(rules.values())
    while pending:
        alternatives = pending.pop()
        yield alternatives
        pending += [term.group for sequence in alternatives.sequences for term in sequence if term.group is not None]
