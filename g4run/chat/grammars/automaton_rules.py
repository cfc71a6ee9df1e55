"""Automata as rules of a grammar: one rule for each state where there is a choice."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from g4run.chat.grammars.automata import Automaton
from g4run.chat.grammars.characters import CharacterSet
from g4run.chat.grammars.rules import Characters, Literal, Parts, Reference, Rules, Symbol

SetWriter: TypeAlias = Callable[[CharacterSet], Sequence[Parts]]
"""Gives the ways to write one character of a set."""


def write_plain(allowed: CharacterSet) -> Sequence[Parts]:
    """Write characters as they are."""
    if len(allowed) == 1 and allowed[0][0] == allowed[0][1]:
        return [(Literal(chr(allowed[0][0])),)]
    return [(Characters(allowed),)]


def define_automaton(rules: Rules, hint: str, automaton: Automaton, write: SetWriter = write_plain) -> Reference:
    """Make the rules of an automaton, or find those of an equal one; an empty language has none that ends."""
    return rules.remember((hint, automaton, write), lambda: _StateWriter(rules, hint, automaton, write).define_all())


class _StateWriter:
    """States that are entered from one place only and leave no choice are written where they are entered."""

    def __init__(self, rules: Rules, hint: str, automaton: Automaton, write: SetWriter) -> None:
        self._rules = rules
        self._automaton = automaton
        self._write = write
        entries = Counter(target for moves in automaton.moves for _, target in moves)
        self._inlined = {
            state
            for state, moves in enumerate(automaton.moves)
            if state and entries[state] == 1 and state not in automaton.accepting and len(moves) == 1
        }
        self._references = {
            state: rules.reserve(hint)
            for state, moves in enumerate(automaton.moves)
            if state not in self._inlined and not self._is_last(state)
        }
        self._hint = hint

    def define_all(self) -> Reference:
        for state, reference in self._references.items():
            alternatives = [part for move in self._automaton.moves[state] for part in self._continue(*move)]
            if state in self._automaton.accepting:
                alternatives.append(())
            self._rules.fill(reference, alternatives)
        return self._references[0] if 0 in self._references else self._rules.define(self._hint, [()])

    def _is_last(self, state: int) -> bool:
        return state in self._automaton.accepting and not self._automaton.moves[state]

    def _continue(self, allowed: CharacterSet, target: int) -> Sequence[Parts]:
        """A move, and all that follows up to the next choice."""
        first = self._write(allowed)
        tail: list[Symbol] = []
        while target in self._inlined:
            following, after = self._automaton.moves[target][0]
            ways = self._write(following)
            tail += ways[0] if len(ways) == 1 else (self._rules.define(self._hint, ways),)
            target = after
        if target in self._references:
            tail.append(self._references[target])
        return [join_literals((*way, *tail)) for way in first]


def join_literals(symbols: Parts) -> Parts:
    """Make one literal of neighbouring ones."""
    joined: list[Symbol] = []
    for symbol in symbols:
        if joined and isinstance(symbol, Literal) and isinstance(joined[-1], Literal):
            joined[-1] = Literal(joined[-1].text + symbol.text)
        else:
            joined.append(symbol)
    return tuple(joined)
