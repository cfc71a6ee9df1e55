"""A Lark grammar under construction, and its text."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from g4run.chat.messages import JsonValue
from g4run.errors import UsageError

_MAX_RULES: Final = 9_000  # the engine takes 10,000 lines and 1 MiB
_MAX_CHARACTERS: Final = 1_000_000
_MAX_REPEATS: Final = 2**31 - 2  # llguidance counts in 32 bits


@dataclass(frozen=True, slots=True)
class Reference:
    """A rule by its number, repeated `least` to `most` times; None is no bound."""

    rule: int
    least: int = 1
    most: int | None = 1


Symbol: TypeAlias = str | Reference
"""Lark text of a terminal, control token or inline schema, or a reference to a rule."""
Parts: TypeAlias = tuple[Symbol, ...]


class Rules:
    """Collects rules and keeps equal ones once. `place` is the origin of the next rules, for messages."""

    def __init__(self, label: str) -> None:
        self.place = self._label = label
        self._names: list[str] = []
        self._places: list[str] = []
        self._bodies: list[tuple[Parts, ...]] = []
        self._known: dict[tuple[Parts, ...], Reference] = {}
        self._terminals: dict[str, str] = {}

    def reserve(self, hint: str) -> Reference:
        """Reserve a rule to fill later; the hint becomes part of its name."""
        self._check_size(len(self._bodies) < _MAX_RULES)
        self._bodies.append(())
        self._names.append(f"{hint}_{len(self._names)}")
        self._places.append(self.place)
        return Reference(len(self._bodies) - 1)

    def fill(self, reference: Reference, alternatives: Iterable[Parts]) -> None:
        """Set the alternatives of a reserved rule; without any, nothing matches it."""
        self._bodies[reference.rule] = tuple(dict.fromkeys(alternatives))
        self._places[reference.rule] = self.place

    def define(self, hint: str, alternatives: Iterable[Parts]) -> Reference:
        """Define a rule, or return an equal one."""
        body = tuple(dict.fromkeys(alternatives))
        if body not in self._known:
            self._known[body] = self.reserve(hint)
            self._bodies[-1] = body
        return self._known[body]

    def terminal(self, body: str) -> str:
        """The name of a terminal. Lark allows `&` and `~` in named terminals only."""
        return self._terminals.setdefault(body, f"T{len(self._terminals)}")

    def can_end(self, root: Reference) -> bool:
        """Whether any finite text matches a rule."""
        return root.rule in self._ending_rules()

    def render(self, root: Reference) -> str:
        """Write the grammar, each rule with its place in a comment. Raises UsageError if no text matches."""
        ending = self._ending_rules()
        if root.rule not in ending:
            raise UsageError(f"no value can satisfy {self._label}")
        lines = [f"start: {self._names[root.rule]}"]
        for rule in sorted(ending):
            alternatives = [self._write(part, ending) for part in self._bodies[rule] if _ends(part, ending)]
            lines.append(f"{self._names[rule]}: {' | '.join(alternatives)} // {write_text(self._places[rule])[1:-1]}")
        text = "\n".join([*lines, *(f"{name}: {body}" for body, name in self._terminals.items()), ""])
        self._check_size(len(text) < _MAX_CHARACTERS)
        return text

    def _check_size(self, is_small: bool) -> None:
        if not is_small:
            raise UsageError(f"{self._label} is too large to enforce", "use fewer or simpler parts")

    def _ending_rules(self) -> set[int]:
        """The rules that some finite text matches."""
        users: dict[int, list[int]] = {}
        for rule, body in enumerate(self._bodies):
            for each in {symbol.rule for part in body for symbol in part if isinstance(symbol, Reference)}:
                users.setdefault(each, []).append(rule)
        ending: set[int] = set()
        pending = list(range(len(self._bodies)))
        while pending:
            rule = pending.pop()
            if rule not in ending and any(_ends(part, ending) for part in self._bodies[rule]):
                ending.add(rule)
                pending += users.get(rule, ())
        return ending

    def _write(self, part: Parts, ending: set[int]) -> str:
        """Write a sequence without the parts that can only be omitted."""
        written = (
            symbol if isinstance(symbol, str) else self._names[symbol.rule] + write_counts(symbol.least, symbol.most)
            for symbol in part
            if isinstance(symbol, str) or (symbol.rule in ending and symbol.most != 0)
        )
        return " ".join(written) or '""'


def _ends(part: Parts, ending: set[int]) -> bool:
    return all(isinstance(symbol, str) or not symbol.least or symbol.rule in ending for symbol in part)


def write_counts(least: int, most: int | None) -> str:
    """A repetition in Lark and in regular expressions; empty for exactly one."""
    if least == most == 1:
        return ""
    return f"{{{min(least, _MAX_REPEATS)},{'' if most is None or most > _MAX_REPEATS else most}}}"


def write_text(text: str) -> str:
    """A string literal in Lark."""
    return json.dumps(text)


def write_expression(text: str) -> str:
    """A regular expression in Lark."""
    return "/" + text.replace("/", r"\/") + "/"


def write_schema(schema: Mapping[str, JsonValue]) -> str:
    """An inline schema for llguidance's own compiler."""
    return "%json " + json.dumps({**schema, "x-guidance": {"whitespace_flexible": False}})
