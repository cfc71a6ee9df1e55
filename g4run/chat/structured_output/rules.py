"""A grammar under construction: rules of Lark symbols and references, and their text."""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from g4run.chat.messages import JsonValue
from g4run.errors import UsageError

_MAX_RULES: Final = 40_000
_MAX_CHARACTERS: Final = 4_000_000
_MAX_REPEATS: Final = 2**31 - 2  # llguidance counts in 32 bits; no answer gets so far


@dataclass(frozen=True, slots=True)
class Reference:
    """Another rule, by its number, between `least` and `most` times; None is no bound."""

    rule: int
    least: int = 1
    most: int | None = 1


Symbol: TypeAlias = str | Reference
"""A terminal, a control token or an inline schema as Lark writes them, or a rule."""
Parts: TypeAlias = tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class LarkGrammar:
    """A grammar for llguidance, with the rule `start`; `places` tells where each of its lines comes from."""

    text: str
    places: tuple[str, ...] = ()

    def place(self, line: int) -> str:
        """Where a line, counted from 1, comes from; empty where nothing is known."""
        return self.places[line - 1] if 0 < line <= len(self.places) else ""


class Rules:
    """Collects rules; equal ones are kept once. `place` is where the rules come from that are made now."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.place = label
        self._names: list[str] = []
        self._places: list[str] = []
        self._bodies: list[tuple[Parts, ...]] = []
        self._known: dict[Hashable, Reference] = {}
        self._terminals: dict[str, tuple[str, str]] = {}  # by what they consist of: their name and their place

    def reserve(self, hint: str) -> Reference:
        """Number a rule that is filled later; the hint becomes part of its name."""
        if len(self._bodies) >= _MAX_RULES:
            raise self.too_large()
        self._bodies.append(())
        self._names.append(f"{hint}_{len(self._names)}")
        self._places.append(self.place)
        return Reference(len(self._bodies) - 1)

    def fill(self, reference: Reference, alternatives: Iterable[Parts]) -> None:
        """Say what a reserved rule consists of; no alternative means that nothing can stand there."""
        self._bodies[reference.rule] = tuple(dict.fromkeys(alternatives))

    def define(self, hint: str, alternatives: Iterable[Parts]) -> Reference:
        """Make a rule, or find the one that consists of the same."""
        body = tuple(dict.fromkeys(alternatives))
        if body not in self._known:
            self._known[body] = reference = self.reserve(hint)
            self.fill(reference, body)
        return self._known[body]

    def remember(self, key: Hashable, define: Callable[[], Reference]) -> Reference:
        """Make rules once for each key."""
        if key not in self._known:
            self._known[key] = define()
        return self._known[key]

    def terminal(self, body: str) -> str:
        """The name of a terminal, which Lark asks for where expressions are intersected or complemented."""
        return self._terminals.setdefault(body, (f"T{len(self._terminals)}", self.place))[0]

    def render(self, root: Reference) -> LarkGrammar:
        """The grammar's text; raises UsageError where nothing satisfies it."""
        bodies = self._prune()
        if not bodies[root.rule]:
            raise UsageError(f"no value can satisfy {self.label}")
        lines = {"start: " + self._names[root.rule]: ""}
        for rule in _reachable(bodies, root.rule):
            alternatives = (" ".join(map(self._write, part)) or '""' for part in bodies[rule])
            lines[f"{self._names[rule]}: {' | '.join(alternatives)}"] = self._places[rule]
        lines |= {f"{name}: {body}": place for body, (name, place) in self._terminals.items()}
        text = "\n".join([*lines, ""])
        if len(text) > _MAX_CHARACTERS:
            raise self.too_large()
        return LarkGrammar(text, tuple(lines.values()))

    def too_large(self) -> UsageError:
        """The error that says so."""
        return UsageError(f"the grammar of {self.label} gets too large", "use fewer or simpler properties")

    def _prune(self) -> list[list[Parts]]:
        """The alternatives of each rule that some finite text fits, without what can only be left out."""
        ending: set[int] = set()
        users: dict[int, list[int]] = {}
        for rule, body in enumerate(self._bodies):
            for each in {symbol.rule for part in body for symbol in part if isinstance(symbol, Reference)}:
                users.setdefault(each, []).append(rule)
        pending = list(range(len(self._bodies)))
        while pending:
            rule = pending.pop()
            if rule not in ending and any(_ends(part, ending) for part in self._bodies[rule]):
                ending.add(rule)
                pending += users.get(rule, ())
        return [
            [
                tuple(each for each in part if isinstance(each, str) or (each.rule in ending and each.most != 0))
                for part in body
                if _ends(part, ending)
            ]
            for body in self._bodies
        ]

    def _write(self, symbol: Symbol) -> str:
        if isinstance(symbol, str):
            return symbol
        if (symbol.least, symbol.most) == (1, 1):
            return self._names[symbol.rule]
        return self._names[symbol.rule] + write_counts(symbol.least, symbol.most)


def write_counts(least: int, most: int | None) -> str:
    """A repetition, in Lark and in regular expressions."""
    return f"{{{min(least, _MAX_REPEATS)},{'' if most is None or most > _MAX_REPEATS else most}}}"


def write_text(text: str) -> str:
    """A text as Lark writes it."""
    return json.dumps(text)


def write_expression(text: str) -> str:
    """A regular expression as Lark writes it."""
    return "/" + text.replace("/", r"\/") + "/"


def write_schema(schema: Mapping[str, JsonValue]) -> str:
    """A schema for llguidance's own compiler."""
    return "%json " + json.dumps({**schema, "x-guidance": {"whitespace_flexible": False}})


def _ends(part: Parts, ending: set[int]) -> bool:
    return all(isinstance(each, str) or not each.least or each.rule in ending for each in part)


def _reachable(bodies: Sequence[Sequence[Parts]], root: int) -> list[int]:
    """The rules that the root needs, itself first."""
    found = dict.fromkeys([root])
    pending = [root]
    while pending:
        for part in bodies[pending.pop()]:
            new = [symbol.rule for symbol in part if isinstance(symbol, Reference) and symbol.rule not in found]
            found |= dict.fromkeys(new)
            pending += new
    return list(found)
