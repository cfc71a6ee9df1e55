"""Random sentences of a grammar, drawn from its text: what a model without any sense would write."""

import random
import re
from dataclasses import dataclass
from typing import Final

from g4run.chat.tokens import TOOL_CALL_CLOSE, TOOL_CALL_OPEN

_TERM: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\[((?:[^\]\\]|\\.)*)\]|(<[^>]*>)|([a-z]+(?:-[0-9]+)?)')
_CODE: Final = re.compile(r"\\x(..)|\\u(....)|\\U(........)|(.)", re.DOTALL)
_RANGE: Final = re.compile(r"(\\x..|\\u....|\\U........|.)(?:-(\\x..|\\u....|\\U........|.))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """A text, a token's text, ranges of code points, or a rule's name."""

    text: str = ""
    ranges: tuple[tuple[int, int], ...] = ()
    rule: str = ""


Alternatives = list[list[Term]]


def read_grammar(text: str) -> dict[str, Alternatives]:
    """The rules of a grammar, written as the compiler writes them: alternatives of sequences, nothing else."""
    rules: dict[str, Alternatives] = {}
    for line in text.splitlines():
        name, body = line.split(" ::= ", 1)
        rules[name] = [[]]
        position = 0
        while position < len(body):
            if body.startswith(" | ", position):
                rules[name].append([])
                position += 3
                continue
            found = _TERM.match(body, position + (body[position] == " "))
            assert found, body[position:]
            rules[name][-1].append(_term(found))
            position = found.end()
    return rules


def _term(found: re.Match[str]) -> Term:
    if found[1] is not None:
        return Term(text="".join(chr(_code(each[0])) for each in _CODE.finditer(found[1])))
    if found[2] is not None:
        return Term(ranges=tuple((_code(low), _code(high or low)) for low, high in _RANGE.findall(found[2])))
    return Term(text=found[3]) if found[3] else Term(rule=found[4])


def _code(text: str) -> int:
    return int(text[2:], 16) if len(text) > 1 else ord(text)


class Sentences:
    """Draws sentences; beyond `steps` rules it takes the shortest way to the end."""

    def __init__(self, grammar: str, seed: int, steps: int = 120) -> None:
        self.rules = read_grammar(grammar)
        self._random = random.Random(seed)
        self._steps = steps
        self._costs = self._measure()

    def draw(self) -> str:
        """One sentence."""
        written: list[str] = []
        pending = [Term(rule="root")]
        left = self._steps
        while pending:
            term = pending.pop()
            if term.rule:
                left -= 1
                pending += reversed(self._choose(self.rules[term.rule], is_hurried=left < 0))
            else:
                written.append(self._character(term.ranges) if term.ranges else term.text)
        return "".join(written)

    def _choose(self, alternatives: Alternatives, *, is_hurried: bool) -> list[Term]:
        if is_hurried:
            return min(alternatives, key=self._cost)
        return self._random.choice(alternatives)

    def _character(self, ranges: tuple[tuple[int, int], ...]) -> str:
        low, high = self._random.choice(ranges)
        plain = (max(low, 0x20), min(high, 0x17F))
        if plain[0] <= plain[1] and self._random.random() < 0.9:
            low, high = plain
        return chr(self._random.randint(low, high))

    def _cost(self, sequence: list[Term]) -> float:
        return sum(self._costs[term.rule] for term in sequence if term.rule)

    def _measure(self) -> dict[str, float]:
        """The rules that it takes at least to end one."""
        self._costs = dict.fromkeys(self.rules, float("inf"))
        is_changed = True
        while is_changed:
            is_changed = False
            for name, alternatives in reversed(self.rules.items()):
                cost = 1 + min(map(self._cost, alternatives))
                is_changed |= cost < self._costs[name]
                self._costs[name] = cost
        return self._costs


def split_calls(sentence: str) -> list[str]:
    """What stands between the tags of each call; fails where anything stands outside."""
    calls = sentence.split(TOOL_CALL_OPEN)
    assert calls[0] == ""
    assert all(call.endswith(TOOL_CALL_CLOSE) for call in calls[1:])
    return [call.removesuffix(TOOL_CALL_CLOSE) for call in calls[1:]]
