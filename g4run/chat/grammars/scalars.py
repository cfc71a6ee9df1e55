"""What several schemas together say about strings and numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from g4run.chat.grammars.automata import Automaton, TooComplex, intersect
from g4run.chat.grammars.formats import INTEGER_FORMATS, NUMBER_FORMATS, STRING_ANNOTATIONS, compile_format
from g4run.chat.grammars.keywords import Schema
from g4run.chat.grammars.numbers import NumberBounds
from g4run.chat.grammars.pattern_syntax import NotRegular
from g4run.chat.grammars.patterns import compile_pattern
from g4run.errors import UsageError


class Contradiction(UsageError):
    """Nothing satisfies the schema; inside anyOf only that branch falls away."""


@dataclass(frozen=True, slots=True)
class StringBounds:
    """Which strings are allowed; `language` None is any, lengths are in code points."""

    least: int
    most: int | None
    language: Automaton | None

    def hold(self, text: str) -> bool:
        """Whether they allow a string."""
        fits = len(text) >= self.least and (self.most is None or len(text) <= self.most)
        return fits and (self.language is None or self.language.accepts(text))


def contradiction(schema: Schema, what: str, *path: str) -> Contradiction:
    """The error that says what cannot be satisfied at a place."""
    return Contradiction(schema.error(what, *path).message)


def read_counts(schemas: Iterable[Schema], least_keyword: str, most_keyword: str) -> tuple[int, int | None]:
    """The narrowest bounds of a count; raises Contradiction where there is no number between them."""
    least, most = 0, None
    for schema in schemas:
        least = max(least, schema.count(least_keyword) or 0)
        bound = schema.count(most_keyword)
        if bound is not None:
            most = bound if most is None else min(most, bound)
        if most is not None and least > most:
            raise contradiction(schema, f"{least_keyword} {least} is greater than {most_keyword} {most}")
    return least, most


def read_strings(schemas: Iterable[Schema]) -> StringBounds:
    """The bounds of a string; raises UsageError for patterns and formats that no automaton can hold."""
    schemas = tuple(schemas)
    least, most = read_counts(schemas, "minLength", "maxLength")
    language: Automaton | None = None
    for schema in schemas:
        for each in _languages(schema):
            try:
                language = each if language is None else intersect(language, each)
            except TooComplex:
                raise schema.error("the patterns and formats together are too complex") from None
            if language.is_empty:
                raise contradiction(schema, "no string fits its pattern and format")
    return StringBounds(least, most, language)


def _languages(schema: Schema) -> Iterable[Automaton]:
    if schema.has("pattern"):
        yield read_pattern(schema, schema.text("pattern"), "pattern")
    if schema.has("format"):
        name = schema.text("format")
        if name not in STRING_ANNOTATIONS and name not in NUMBER_FORMATS:
            language = compile_format(name)
            if language is None:
                raise schema.error(f'the format "{name}" is not supported', "format")
            yield language


def read_pattern(schema: Schema, text: str, *path: str) -> Automaton:
    """The automaton of a regular expression; raises UsageError."""
    try:
        return compile_pattern(text)
    except NotRegular as error:
        raise schema.error(f"the pattern {text[:80]} {error}", *path) from None
    except TooComplex:
        raise schema.error(f"the pattern {text[:80]} is too complex", *path) from None


def read_numbers(schemas: Iterable[Schema], *, is_integer: bool) -> NumberBounds:
    """The bounds of a number; raises Contradiction where the least is greater than the greatest."""
    low: tuple[Fraction, bool] | None = None
    high: tuple[Fraction, bool] | None = None
    multiple: Fraction | None = None
    for schema in schemas:
        lows, highs = _bounds(schema, "minimum", "exclusiveMinimum"), _bounds(schema, "maximum", "exclusiveMaximum")
        if name_bounds := _format_bounds(schema):
            lows, highs = [*lows, (Fraction(name_bounds[0]), False)], [*highs, (Fraction(name_bounds[1]), False)]
        low = max([*lows, *([low] if low else [])], default=None)
        high = min([*highs, *([high] if high else [])], key=lambda bound: (bound[0], not bound[1]), default=None)
        multiple = _common_multiple(schema, multiple)
        if low and high and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))):
            raise contradiction(schema, f"no number lies between the bounds {float(low[0]):g} and {float(high[0]):g}")
    return NumberBounds(
        is_integer,
        low[0] if low else None,
        bool(low and low[1]),
        high[0] if high else None,
        bool(high and high[1]),
        multiple,
    )


def _bounds(schema: Schema, inclusive: str, exclusive: str) -> list[tuple[Fraction, bool]]:
    """The bounds on one side, and whether they are excluded; draft 4's boolean turns the inclusive one."""
    excludes = schema.members.get(exclusive)
    found = []
    if schema.has(inclusive):
        found.append((schema.number(inclusive), excludes is True))
    if schema.has(exclusive) and not isinstance(excludes, bool):
        found.append((schema.number(exclusive), True))
    return found


def _format_bounds(schema: Schema) -> tuple[int, int] | None:
    name = schema.members.get("format")
    return INTEGER_FORMATS.get(name) if isinstance(name, str) else None


def _common_multiple(schema: Schema, other: Fraction | None) -> Fraction | None:
    if not schema.has("multipleOf"):
        return other
    unit = schema.number("multipleOf")
    if unit <= 0:
        raise schema.error("must be greater than 0", "multipleOf")
    if other is None:
        return unit
    denominator = unit.denominator * other.denominator
    left, right = int(unit * denominator), int(other * denominator)
    return Fraction(left * right // gcd(left, right), denominator)
