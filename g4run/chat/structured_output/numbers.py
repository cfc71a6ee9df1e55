"""Numbers between bounds, as regular expressions over their digits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from g4run.chat.structured_output.formats import INTEGER_FORMATS
from g4run.chat.structured_output.keywords import Schema
from g4run.chat.structured_output.rules import write_schema

_INTEGER_DIGITS: Final = 20
_FRACTION: Final = r"(\.[0-9]{1,20})"
_FREE_INTEGER: Final = f"-?(0|[1-9][0-9]{{0,{_INTEGER_DIGITS - 1}}})"
_FREE_NUMBER: Final = (
    rf"{_FREE_INTEGER}{_FRACTION}?|-?[1-9]{_FRACTION}?[eE][+-]?(0?[1-9]|[1-9][0-9]|[12][0-9]{{2}}|30[0-6])"
)
"""Numbers that a double can hold, with a bounded number of digits."""
_DIGITS: Final = 15  # what a double keeps, so that no reader rounds a number past a bound
_LARGEST_MULTIPLE: Final = 10_000  # 30 ms: llguidance keeps a state for each remainder

_Bound: TypeAlias = tuple[Fraction, bool]  # the least value, and whether it is excluded


@dataclass(frozen=True, slots=True)
class NumberBounds:
    """Which numbers are allowed. `low` bounds them from below, `high` their negatives; None is no bound."""

    low: _Bound | None = None
    high: _Bound | None = None
    multiple: Fraction | None = None

    def allow(self, value: Fraction) -> bool:
        """Whether a number is within the bounds."""
        sides = ((value, self.low), (-value, self.high))
        is_within = all(not bound or each > bound[0] or bound == (each, False) for each, bound in sides)
        return is_within and (not self.multiple or (value / self.multiple).denominator == 1)


def read_numbers(schemas: Sequence[Schema]) -> NumberBounds:
    """Combine the bounds of all schemas. Raises Contradiction if no number lies between them."""
    low, high = _bound(schemas, "inimum", 1), _bound(schemas, "aximum", -1)
    if low and high and (low[0] > -high[0] or (low[0] == -high[0] and (low[1] or high[1]))):
        what = f"no number lies between the bounds {float(low[0]):g} and {float(-high[0]):g}"
        raise schemas[0].contradiction(what)
    multiple = None
    for schema in schemas:
        if schema.has("multipleOf"):
            unit = schema.number("multipleOf")
            if unit <= 0:
                raise schema.error("must be greater than 0", "multipleOf")
            multiple = unit if multiple is None else _common_multiple(multiple, unit)
    return NumberBounds(low, high, multiple)


def _bound(schemas: Sequence[Schema], name: str, sign: int) -> _Bound | None:
    """The narrowest bound on one side. In draft 4, a boolean makes the inclusive one exclusive."""
    found = []
    for schema in schemas:
        excludes = schema.members.get(f"exclusiveM{name}")
        if schema.has(f"m{name}"):
            found.append((sign * schema.number(f"m{name}"), excludes is True))
        if excludes is not None and not isinstance(excludes, bool):
            found.append((sign * schema.number(f"exclusiveM{name}"), True))
        if span := INTEGER_FORMATS.get(str(schema.members.get("format"))):
            found.append((Fraction(sign * span[sign < 0]), False))
    return max(found, default=None)


def _common_multiple(one: Fraction, other: Fraction) -> Fraction:
    return Fraction(math.lcm(one.numerator, other.numerator), math.gcd(one.denominator, other.denominator))


def write_number(schema: Schema, bounds: NumberBounds, *, is_integer: bool) -> str:
    """Write the numbers within bounds as a terminal or an inline schema. Raises Contradiction if there are none."""
    if bounds == NumberBounds():
        return f"/{_FREE_INTEGER if is_integer else _FREE_NUMBER}/"
    unit = _step(bounds, is_integer)
    low, high = (_first(bound, unit) for bound in (bounds.low, bounds.high))  # `high` of the negatives
    if low is not None and high is not None and low > -high:
        raise schema.contradiction("no number fits its bounds")
    if bounds.multiple:
        return _write_multiple(schema, unit, low, high, is_integer=is_integer)
    ways = [_write_magnitudes(low, high, is_integer)] if high is None or high <= 0 else []
    if low is None or low < 0:
        ways.append('"-" ' + _write_magnitudes(high, low, is_integer))
    return " | ".join(ways)


def _step(bounds: NumberBounds, is_integer: bool) -> Fraction:
    """The unit of the numbers: the multiple, 1, or the last decimal place that a double keeps at these bounds."""
    if bounds.multiple:
        return Fraction(bounds.multiple.numerator) if is_integer else bounds.multiple
    greatest = max(abs(int(bound[0])) for bound in (bounds.low, bounds.high) if bound)
    return Fraction(1) if is_integer else Fraction(10) ** (len(str(greatest)) - _DIGITS)


def _first(bound: _Bound | None, unit: Fraction) -> Fraction | None:
    """The first multiple within a bound."""
    if bound is None:
        return None
    return unit * (math.floor(bound[0] / unit) + 1 if bound[1] else math.ceil(bound[0] / unit))


def _write_magnitudes(low: Fraction | None, high: Fraction | None, is_integer: bool) -> str:
    """Unsigned numbers from `low` to -`high`."""
    longest = max(_INTEGER_DIGITS, *(len(str(abs(int(each)))) for each in (low, high) if each is not None))
    parts = [rf"/(0|[1-9][0-9]{{0,{longest - 1}}}){'' if is_integer else _FRACTION + '?'}/"]
    if low is not None and low > 0:
        parts.append(f"/{_write_from(low)}/")
    if high is not None:
        parts.append(f"~/{_write_from(-high, is_excluded=True)}/")
    return f"({' & '.join(parts)})"


def _write_from(bound: Fraction, *, is_excluded: bool = False) -> str:
    """A bound and all above it: more digits, a greater digit at some place, or further digits."""
    digits = str(int(bound * 10**_DIGITS)).rjust(_DIGITS + 1, "0")
    whole, fraction = digits[:-_DIGITS], digits[-_DIGITS:].rstrip("0")
    ways = [f"[1-9][0-9]{{{len(whole)},}}{_FRACTION}?"]
    for place, digit in enumerate(whole + fraction):
        left = len(whole) - place - 1
        before = whole[:place] if left >= 0 else rf"{whole}\.{fraction[: -left - 1]}"
        after = f"[0-9]{{{left}}}{_FRACTION}?" if left >= 0 else "[0-9]*"
        if digit < "9":
            ways.append(f"{before}[{int(digit) + 1}-9]{after}")
    further = "0*[1-9][0-9]*" if is_excluded else "[0-9]*"
    ways.append(rf"{whole}\.{fraction}{further}")
    return "|".join(ways if is_excluded or fraction else [*ways, whole])


def _write_multiple(
    schema: Schema, unit: Fraction, low: Fraction | None, high: Fraction | None, *, is_integer: bool
) -> str:
    """An inline schema: llguidance handles multiples itself, but reads every number as a double."""
    number, places = float(unit), 0
    while number % 1 and places < _DIGITS:  # as llguidance does
        number, places = number * 10, places + 1
    largest = Fraction(10) ** (14 - places) if places else Fraction(2**53)  # llguidance rounds longer ones
    limit = -math.floor(largest / unit) * unit
    least, most = (max(limit, limit if each is None else each) for each in (low, high))
    if Fraction(number) / 10**places != unit or number > _LARGEST_MULTIPLE or least > -most:
        raise schema.error(f"multiples of {float(unit):g} cannot be enforced", "multipleOf")
    bounds = {"minimum": least, "maximum": -most, "multipleOf": unit}
    written = {name: int(each) if each.denominator == 1 else float(each) for name, each in bounds.items()}
    return write_schema({"type": "integer" if is_integer else "number", **written})
