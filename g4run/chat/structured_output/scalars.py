"""What several schemas together say about strings and about listed values."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.formats import STRING_FORMATS
from g4run.chat.structured_output.keywords import Contradiction, Schema, exact_number
from g4run.chat.structured_output.nodes import Expanded, is_scalar, listed_values
from g4run.chat.structured_output.numbers import read_numbers
from g4run.chat.structured_output.patterns import NotSupported, translate_pattern
from g4run.chat.structured_output.rules import write_counts

_MAX_CHARACTERS: Final = 150_000


@dataclass(frozen=True, slots=True)
class StringBounds:
    """Which strings are allowed: lengths in code points, and expressions that the whole string must match."""

    least: int = 0
    most: int | None = None
    expressions: tuple[str, ...] = ()

    def all_expressions(self) -> list[str]:
        """Expressions for all of it."""
        has_length = self.least or self.most is not None or not self.expressions
        length = [f"(?s:.){write_counts(self.least, self.most)}"] if has_length else []
        return [*length, *self.expressions]

    def allow(self, text: str) -> bool:
        """Whether they allow a string."""
        fits = len(text) >= self.least and (self.most is None or len(text) <= self.most)
        return fits and all(re.fullmatch(each, text) for each in self.expressions)


def read_counts(schemas: Iterable[Schema], least_keyword: str, most_keyword: str) -> tuple[int, int | None]:
    """The narrowest bounds of a count; raises Contradiction where there is no number between them."""
    least, most = 0, None
    for schema in schemas:
        least = max(least, schema.count(least_keyword) or 0)
        bound = schema.count(most_keyword)
        if bound is not None:
            most = bound if most is None else min(most, bound)
        if most is not None and least > most:
            raise schema.contradiction(f"{least_keyword} {least} is greater than {most_keyword} {most}")
    return least, most


def read_strings(schemas: Sequence[Schema]) -> StringBounds:
    """The bounds of a string; raises UsageError for patterns that are not supported."""
    least, most = read_counts(schemas, "minLength", "maxLength")
    expressions: list[str] = []
    for schema in schemas:
        if schema.has("pattern"):
            expressions.append(read_pattern(schema, schema.text("pattern"), "pattern"))
        if schema.has("format"):
            expressions += STRING_FORMATS.get(schema.text("format"), ())
    return StringBounds(least, most, tuple(dict.fromkeys(expressions)))


def read_pattern(schema: Schema, text: str, *path: str) -> str:
    """A pattern as an expression for whole strings; raises UsageError."""
    try:
        return translate_pattern(text)
    except NotSupported as error:
        raise schema.error(f"the pattern {text[:80]} {error}", *path) from None


def read_constants(expanded: Expanded) -> list[JsonValue] | None:
    """The listed values, none of them a list or an object, that satisfy all else; None where none are listed."""
    listings = [
        (schema, keyword, values)
        for schema in expanded.schemas
        for keyword in ("enum", "const")
        if schema.has(keyword) and all(map(is_scalar, values := listed_values(schema, keyword)))
    ]
    if not listings:
        return None
    first, keyword, values = listings[0]
    if sum(len(value) if isinstance(value, str) else 1 for value in values) > _MAX_CHARACTERS:
        raise first.error("more values than a grammar can hold", keyword)
    for _, _, others in listings[1:]:
        common = set(map(_canonical, others))
        values = [value for value in values if _canonical(value) in common]
    values = [value for value in values if allows(expanded, value)]
    if not values:
        raise first.contradiction("none of the listed values satisfies the schema", keyword)
    for value in values:
        _check_writable(first, value, keyword)
    return values


def _canonical(value: JsonValue) -> JsonValue:
    """What is equal only for values that JSON schema calls equal: 1 and 1.0, but not 1 and true."""
    return json.dumps(value) if value is None or isinstance(value, bool | str) else value


def allows(expanded: Expanded, value: JsonValue) -> bool:
    """Whether a value that is neither list nor object satisfies some schemas, apart from what they list."""
    types = expanded.explicit_types()
    if types is not None and not types & _types_of(value):
        return False
    try:
        if isinstance(value, str):
            return read_strings(expanded.schemas).allow(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        exact = exact_number(value)
        return exact is not None and read_numbers(expanded.schemas).allow(exact)
    except Contradiction:
        return False


def _types_of(value: JsonValue) -> frozenset[str]:
    if value is None or isinstance(value, bool | str):
        return frozenset({"null" if value is None else "string" if isinstance(value, str) else "boolean"})
    assert isinstance(value, int | float)
    return frozenset({"number", "integer"} if value % 1 == 0 else {"number"})


def _check_writable(schema: Schema, value: JsonValue, keyword: str) -> None:
    """Refuse numbers that JSON has not, and half surrogate pairs."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        raise schema.error("lists a value that JSON cannot write", keyword) from None
