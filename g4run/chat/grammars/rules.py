"""A grammar under construction: rules of literals, character sets, tokens and references, and their text as GBNF.

Only the plainest part of GBNF is written, alternatives of sequences: repetition is laid out in rules here, so that no
count meets the limit of llama.cpp's own expansion (MAX_REPETITION_THRESHOLD, llama-grammar.cpp:11) and its size grows
with the logarithm of the count. What llama.cpp would assert or recurse on without end is refused before (checks.py).
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from g4run.chat.grammars import checks
from g4run.chat.grammars.characters import CharacterSet
from g4run.errors import UsageError

MAX_ELEMENTS: Final = 400_000
"""Elements of llama.cpp's rules in one grammar: 8 bytes each, and up to 10 characters of text."""
_CHAIN: Final = 48  # repetitions up to here are laid out one by one
_BASE: Final = 16  # the others in blocks of powers of this
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ {}:,.'+*/=()<>|&;!?@#$%~`")


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, character by character; it must not be empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of a set."""

    ranges: CharacterSet


@dataclass(frozen=True, slots=True)
class Token:
    """One token, by the text that the vocabulary gives it."""

    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Another rule, by its number."""

    rule: int


Symbol: TypeAlias = Literal | Characters | Token | Reference
Parts: TypeAlias = tuple[Symbol, ...]
Body: TypeAlias = tuple[Parts, ...]


class Rules:
    """Collects rules; equal ones are kept once. Raises UsageError when the grammar gets too large."""

    def __init__(self) -> None:
        self._bodies: list[Body] = []
        self._hints: list[str] = []
        self._known: dict[Body, Reference] = {}
        self._remembered: dict[Hashable, Reference] = {}
        self._elements = 0

    def reserve(self, hint: str) -> Reference:
        """Number a rule that is filled later; the hint becomes part of its name."""
        self._bodies.append(())
        self._hints.append(hint)
        return Reference(len(self._bodies) - 1)

    def fill(self, reference: Reference, alternatives: Iterable[Parts]) -> None:
        """Say what a reserved rule consists of; no alternative means that nothing can stand there."""
        body = tuple(dict.fromkeys(alternatives))
        self._elements += sum(1 + sum(map(_count_elements, part)) for part in body)
        if self._elements > MAX_ELEMENTS:
            raise UsageError("the grammar of the JSON schema gets too large", "use fewer or simpler properties")
        self._bodies[reference.rule] = body

    def define(self, hint: str, alternatives: Iterable[Parts]) -> Reference:
        """Make a rule, or find the one that consists of the same."""
        body = tuple(dict.fromkeys(alternatives))
        if body not in self._known:
            reference = self.reserve(hint)
            self.fill(reference, body)
            self._known[body] = reference
        return self._known[body]

    def remember(self, key: Hashable, define: Callable[[], Reference]) -> Reference:
        """Make rules once for each key."""
        if key not in self._remembered:
            self._remembered[key] = define()
        return self._remembered[key]

    def repeat(self, unit: Symbol, least: int, most: int | None) -> Parts:
        """A symbol between `least` and `most` times; None is no bound. The symbol must not be empty."""
        if most is None:
            return (*self._exactly(unit, least), self._any_number(unit))
        rest = self._up_to(unit, most - least)
        return (*self._exactly(unit, least), *rest)

    def _any_number(self, unit: Symbol) -> Reference:
        return self.remember(("many", unit), lambda: self._define_any_number(unit))

    def _define_any_number(self, unit: Symbol) -> Reference:
        reference = self.reserve("many")
        self.fill(reference, [(unit, reference), ()])
        return reference

    def _exactly(self, unit: Symbol, count: int) -> Parts:
        if count <= _BASE:
            return (unit,) * count
        half = self.define("times", [self._exactly(unit, count // 2)])
        return (half, half, *self._exactly(unit, count % 2))

    def _up_to(self, unit: Symbol, most: int) -> Parts:
        """At most so many. In blocks, a number of units can be written in one way only: whole blocks, then fewer."""
        if most <= _CHAIN:
            return self._chain((unit,), most, (), ())
        block = _BASE
        while block * _BASE <= most:
            block *= _BASE
        count, rest = divmod(most, block)
        return self._chain(self._exactly(unit, block), count, self._up_to(unit, block - 1), self._up_to(unit, rest))

    def _chain(self, block: Parts, count: int, fewer: Parts, last: Parts) -> Parts:
        """Up to `count` blocks: after the last of them `last`, and `fewer` where one could still have come."""
        following = last
        for _ in range(count):
            following = (self.define("upto", [(*block, *following), fewer]),)
        return following

    def render(self, root: Reference) -> str:
        """The grammar's text; raises UsageError where nothing satisfies it, or llama.cpp could not take it."""
        bodies = checks.prune([[[*sequence] for sequence in body] for body in self._references()])
        if not bodies[root.rule]:
            raise UsageError("no value can satisfy the JSON schema")
        reachable = checks.reachable(bodies, root.rule)
        checks.check_expansion(bodies, reachable)
        lines = [f"root ::= {self._name(root.rule)}"]
        for rule in reachable:
            alternatives = [self._sequence(rule, index) for index in bodies[rule]]
            lines.append(f"{self._name(rule)} ::= {' | '.join(alternatives)}")
        return "\n".join(lines) + "\n"

    def _references(self) -> Iterable[Iterable[Iterable[int]]]:
        """For each rule, for each alternative, what it refers to; anything else that takes up text is -1."""
        for body in self._bodies:
            yield [[symbol.rule if isinstance(symbol, Reference) else -1 for symbol in part] for part in body]

    def _name(self, rule: int) -> str:
        return f"{self._hints[rule]}-{rule}"

    def _sequence(self, rule: int, index: int) -> str:
        return " ".join(map(self._symbol, self._bodies[rule][index])) or '""'

    def _symbol(self, symbol: Symbol) -> str:
        match symbol:
            case Literal(text):
                return '"' + "".join(map(_escape, map(ord, text))) + '"'
            case Characters(ranges):
                return "[" + "".join(_range(low, high) for low, high in ranges) + "]"
            case Token(text):
                return text
            case Reference(rule):
                return self._name(rule)


def _count_elements(symbol: Symbol) -> int:
    match symbol:
        case Literal(text):
            return len(text)
        case Characters(ranges):
            return 2 * len(ranges)
    return 1


def _range(low: int, high: int) -> str:
    return _escape(low) if low == high else f"{_escape(low)}-{_escape(high)}"


def _escape(code: int) -> str:
    """A character as llama.cpp reads it (parse_char, llama-grammar.cpp:160); only plain ones stand for themselves."""
    if chr(code) in _PLAIN:
        return chr(code)
    if code < 0x100:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def literals(*texts: str) -> Sequence[Parts]:
    """Alternatives of one literal each."""
    return [(Literal(text),) for text in texts]
