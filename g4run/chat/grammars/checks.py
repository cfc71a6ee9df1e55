"""What a grammar's rules must hold to before llama.cpp reads them.

llama.cpp follows the first symbols of a rule to find left recursion, once for every path there (llama-grammar.cpp:969):
a cycle is refused with a line in its log, and many paths would take for ever. Both are found here in linear time.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from g4run.errors import UsageError

TEXT: Final = -1
"""Stands among references for a symbol that is none."""
_MAX_PATHS: Final = 90_000  # the engine takes no grammar beyond 100,000
_MAX_DEPTH: Final = 90  # nor one deeper than 100 rules

References: TypeAlias = Sequence[Sequence[Sequence[int]]]
Pruned: TypeAlias = list[dict[int, Sequence[int]]]


def prune(rules: References) -> Pruned:
    """The alternatives that some finite text fits, for each rule by their index."""
    ends = _ending(rules)
    return [
        {index: part for index, part in enumerate(body) if all(symbol < 0 or symbol in ends for symbol in part)}
        for body in rules
    ]


def _ending(rules: References) -> set[int]:
    """The rules that some finite text fits."""
    waiting: dict[int, list[tuple[int, int]]] = {}
    missing: dict[tuple[int, int], int] = {}
    ends: set[int] = set()
    pending: list[int] = []
    for rule, body in enumerate(rules):
        for index, part in enumerate(body):
            needed = {symbol for symbol in part if symbol >= 0}
            missing[rule, index] = len(needed)
            for symbol in needed:
                waiting.setdefault(symbol, []).append((rule, index))
            if not needed and rule not in ends:
                ends.add(rule)
                pending.append(rule)
    while pending:
        for key in waiting.get(pending.pop(), ()):
            missing[key] -= 1
            if not missing[key] and key[0] not in ends:
                ends.add(key[0])
                pending.append(key[0])
    return ends


def reachable(rules: Pruned, root: int) -> list[int]:
    """The rules that the root needs, itself first."""
    found = dict.fromkeys([root])
    pending = [root]
    while pending:
        for part in rules[pending.pop()].values():
            new = [symbol for symbol in part if symbol >= 0 and symbol not in found]
            found |= dict.fromkeys(new)
            pending += new
    return list(found)


def check_expansion(rules: Pruned, used: Sequence[int]) -> None:
    """Refuse rules that begin with themselves, or with others in more ways than llama.cpp could go through."""
    empty = _empty(rules, used)
    paths: dict[int, int] = {}
    depths: dict[int, int] = {}
    for start in used:
        stack = [(start, _first(rules[start], empty))]
        active = {start}
        while stack:
            rule, rest = stack[-1]
            following = next((symbol for symbol in rest if symbol not in paths), None)
            if following is not None:
                if following in active:
                    raise UsageError("the JSON schema refers to itself without anything between")
                active.add(following)
                stack.append((following, _first(rules[following], empty)))
                continue
            stack.pop()
            active.discard(rule)
            firsts = list(_first(rules[rule], empty))
            paths[rule] = 1 + sum(paths[symbol] for symbol in firsts)
            depths[rule] = 1 + max((depths[symbol] for symbol in firsts), default=0)
            if paths[rule] > _MAX_PATHS or depths[rule] > _MAX_DEPTH:
                raise UsageError("the JSON schema has too many alternatives in one place")


def _empty(rules: Pruned, used: Sequence[int]) -> set[int]:
    """The rules that the empty text fits."""
    empty: set[int] = set()
    users: dict[int, list[int]] = {}
    for rule in used:
        for part in rules[rule].values():
            for symbol in part:
                users.setdefault(symbol, []).append(rule)
    pending = list(used)
    while pending:
        rule = pending.pop()
        if rule not in empty and any(all(symbol in empty for symbol in part) for part in rules[rule].values()):
            empty.add(rule)
            pending += users.get(rule, ())
    return empty


def _first(alternatives: dict[int, Sequence[int]], empty: set[int]) -> Iterator[int]:
    """The rules that an alternative may begin with."""
    for part in alternatives.values():
        for symbol in part:
            if symbol == TEXT:
                break
            yield symbol
            if symbol not in empty:
                break
