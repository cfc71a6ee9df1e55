"""Combines what several schemas say about strings and listed values."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.formats import STRING_FORMATS
from g4run.chat.structured_output.keywords import Contradiction, Schema, exact_number
from g4run.chat.structured_output.nodes import Expanded, is_scalar
from g4run.chat.structured_output.numbers import read_numbers
from g4run.chat.structured_output.patterns import NotSupported, matches, translate_pattern
from g4run.chat.structured_output.rules import write_counts

_MAX_CHARACTERS: Final = 150_000
_FORMATS: Final = frozenset(each for expressions in STRING_FORMATS.values() for each in expressions)


@dataclass(frozen=True, slots=True)
class StringBounds:
    """Which strings are allowed: length in code points, and expressions that the whole string must match."""

    least: int = 0
    most: int | None = None
    expressions: tuple[str, ...] = ()

    def all_expressions(self) -> list[str]:
        """All constraints as expressions."""
        has_length = self.least or self.most is not None or not self.expressions
        return [*([f"(?s:.){write_counts(self.least, self.most)}"] if has_length else []), *self.expressions]


def read_counts(schemas: Iterable[Schema], least_keyword: str, most_keyword: str) -> tuple[int, int | None]:
    """The narrowest bounds of a count. Raises Contradiction if they exclude each other."""
    least, most = 0, None
    for schema in schemas:
        least = max(least, schema.count(least_keyword) or 0)
        bound = schema.count(most_keyword)
        most = bound if most is None else most if bound is None else min(most, bound)
        if most is not None and least > most:
            raise schema.contradiction(f"{least_keyword} {least} is greater than {most_keyword} {most}")
    return least, most


def read_strings(expanded: Expanded) -> StringBounds:
    """The bounds of a string. Raises UsageError for patterns that are not supported."""
    patterns = [read_pattern(schema, schema.text("pattern"), "pattern") for schema in expanded.having("pattern")]
    formats = [each for schema in expanded.having("format") for each in STRING_FORMATS.get(schema.text("format"), ())]
    counts = read_counts(expanded.schemas, "minLength", "maxLength")
    return StringBounds(*counts, tuple(dict.fromkeys([*patterns, *formats])))


def read_pattern(schema: Schema, text: str, *path: str) -> str:
    """Translate a pattern to an expression for the whole string. Raises UsageError."""
    try:
        return translate_pattern(text)
    except NotSupported as error:
        raise schema.error(f"the pattern {text[:80]} {error}", *path) from None


def read_constants(expanded: Expanded) -> list[JsonValue] | None:
    """The listed scalars that satisfy all other keywords; None if nothing is listed."""
    listings = [
        (schema, keyword, values)
        for schema in expanded.schemas
        for keyword in ("enum", "const")
        if schema.has(keyword) and all(map(is_scalar, values := schema.listed(keyword)))
    ]
    if not listings:
        return None
    first, keyword, values = listings[0]
    if sum(len(value) if isinstance(value, str) else 1 for value in values) > _MAX_CHARACTERS:
        raise first.error("too many values to enforce", keyword)
    commons = [set(map(_canonical, others)) for _, _, others in listings[1:]]
    kept = [
        value for value in values if all(_canonical(value) in common for common in commons) and allows(expanded, value)
    ]
    if not kept:
        raise first.contradiction("none of the listed values satisfies the schema", keyword)
    try:
        json.dumps(kept, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:  # NaN, infinity and lone surrogates
        raise first.error("lists a value that JSON cannot represent", keyword) from None
    return kept


def _canonical(value: JsonValue) -> JsonValue:
    """A key that is equal for values that are equal in JSON schema: 1 and 1.0, but not 1 and true."""
    return json.dumps(value) if value is None or isinstance(value, bool | str) else value


def allows(expanded: Expanded, value: JsonValue) -> bool:
    """Whether a scalar satisfies all keywords except enum and const."""
    types = expanded.explicit_types()
    if types is not None and not types & _types_of(value):
        return False
    try:
        if isinstance(value, str):
            return _allows_text(expanded, value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        exact = exact_number(value)
        return exact is not None and read_numbers(expanded.schemas).allow(exact)
    except Contradiction:
        return False


def _allows_text(expanded: Expanded, text: str) -> bool:
    bounds = read_strings(expanded)
    if len(text) < bounds.least or (bounds.most is not None and len(text) > bounds.most):
        return False
    try:
        return all(re.fullmatch(each, text) if each in _FORMATS else matches(each, text) for each in bounds.expressions)
    except NotSupported as error:
        raise next(expanded.having("pattern")).error(f"the pattern {error}", "pattern") from None


def _types_of(value: JsonValue) -> frozenset[str]:
    match value:
        case bool() | None:
            return frozenset({"null" if value is None else "boolean"})
        case int() | float():
            return frozenset({"number", "integer"} if value % 1 == 0 else {"number"})
    return frozenset({"string"})
