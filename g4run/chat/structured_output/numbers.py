"""Numbers between bounds, as regular expressions of the digits that write them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from g4run.chat.structured_output.formats import INTEGER_FORMATS
from g4run.chat.structured_output.keywords import Schema
from g4run.chat.structured_output.rules import write_schema

_FREE_INTEGER: Final = "-?(0|[1-9][0-9]{0,19})"
_FREE_NUMBER: Final = (
    rf"{_FREE_INTEGER}(\.[0-9]{{1,20}})?"
    r"|-?[1-9](\.[0-9]{1,20})?[eE][+-]?(0?[1-9]|[1-9][0-9]|[12][0-9]{2}|30[0-6])"
)
"""No exponent that a double could not hold, and no digits without end."""
_DIGITS: Final = 15  # as many as a double keeps, so that reading a number cannot round it over a bound
_LARGEST_MULTIPLE: Final = 10_000  # llguidance keeps a state for each remainder: 30 ms

_Bound: TypeAlias = tuple[Fraction, bool]  # and whether it is excluded itself


@dataclass(frozen=True, slots=True)
class NumberBounds:
    """Which numbers are allowed; None is no bound."""

    low: _Bound | None = None
    high: _Bound | None = None
    multiple: Fraction | None = None

    def allow(self, value: Fraction) -> bool:
        """Whether they allow a number."""
        return not (
            (self.low and (value < self.low[0] or self.low == (value, True)))
            or (self.high and (value > self.high[0] or self.high == (value, True)))
            or (self.multiple and (value / self.multiple).denominator != 1)
        )


def read_numbers(schemas: Iterable[Schema]) -> NumberBounds:
    """The bounds of a number; raises Contradiction where the least is greater than the greatest."""
    low: _Bound | None = None
    high: _Bound | None = None
    multiple: Fraction | None = None
    for schema in schemas:
        lows, highs = _bounds(schema, "minimum", "exclusiveMinimum"), _bounds(schema, "maximum", "exclusiveMaximum")
        if span := INTEGER_FORMATS.get(str(schema.members.get("format"))):
            lows, highs = [*lows, (Fraction(span[0]), False)], [*highs, (Fraction(span[1]), False)]
        low = max([*lows, *([low] if low else [])], default=None)
        high = min([*highs, *([high] if high else [])], key=lambda bound: (bound[0], not bound[1]), default=None)
        if schema.has("multipleOf"):
            multiple = _common_multiple(schema, multiple)
        if low and high and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))):
            raise schema.contradiction(f"no number lies between the bounds {float(low[0]):g} and {float(high[0]):g}")
    return NumberBounds(low, high, multiple)


def _bounds(schema: Schema, inclusive: str, exclusive: str) -> list[_Bound]:
    """The bounds on one side; draft 4's boolean turns the inclusive one."""
    excludes = schema.members.get(exclusive)
    found = [(schema.number(inclusive), excludes is True)] if schema.has(inclusive) else []
    return found if excludes is None or isinstance(excludes, bool) else [*found, (schema.number(exclusive), True)]


def _common_multiple(schema: Schema, other: Fraction | None) -> Fraction:
    unit = schema.number("multipleOf")
    if unit <= 0:
        raise schema.error("must be greater than 0", "multipleOf")
    if other is None:
        return unit
    return Fraction(math.lcm(unit.numerator, other.numerator), math.gcd(unit.denominator, other.denominator))


def write_number(schema: Schema, bounds: NumberBounds, *, is_integer: bool) -> str:
    """The numbers within some bounds as a terminal, or as an inline schema; raises Contradiction where none fits."""
    if bounds == NumberBounds():
        return f"/{_FREE_INTEGER if is_integer else _FREE_NUMBER}/"
    unit = _unit(bounds, is_integer)
    low = None if bounds.low is None else -unit * _count(-bounds.low[0] / unit, is_excluded=bounds.low[1])
    high = None if bounds.high is None else unit * _count(bounds.high[0] / unit, is_excluded=bounds.high[1])
    if low is not None and high is not None and low > high:
        raise schema.contradiction("no number fits its bounds")
    if bounds.multiple:
        return _write_multiple(schema, unit, low, high, is_integer=is_integer)
    rest = "" if is_integer else r"(\.[0-9]{1,20})?"
    ways = []
    if high is None or high >= 0:
        ways.append(_write_magnitudes(max(low or Fraction(0), Fraction(0)), high, rest))
    if low is None or low < 0:
        least = max(Fraction(0), Fraction(0) if high is None else -high)
        ways.append('"-" ' + _write_magnitudes(least, None if low is None else -low, rest))
    return " | ".join(ways)


def _unit(bounds: NumberBounds, is_integer: bool) -> Fraction:
    """What the numbers are multiples of; of bounds alone, the last digit that a double keeps behind them."""
    if bounds.multiple:
        return Fraction(bounds.multiple.numerator) if is_integer else bounds.multiple
    greatest = max(abs(int(bound[0])) for bound in (bounds.low, bounds.high) if bound)
    return Fraction(1) if is_integer else Fraction(10) ** (len(str(greatest)) - _DIGITS)


def _count(quotient: Fraction, *, is_excluded: bool) -> int:
    return math.ceil(quotient) - 1 if is_excluded else math.floor(quotient)


def _write_magnitudes(least: Fraction, most: Fraction | None, rest: str) -> str:
    """Numbers without a sign; `rest` is what may follow the last digit before the point."""
    lower = f"/{_write_from(*_split(least), rest)}/"
    return lower if most is None else f"({lower} & /{_write_up_to(*_split(most), rest)}/)"


def _split(value: Fraction) -> tuple[str, str]:
    """The digits of a decimal before and behind the point."""
    digits = str(int(value * 10**_DIGITS)).rjust(_DIGITS + 1, "0")
    return digits[:-_DIGITS], digits[-_DIGITS:].rstrip("0")


def _write_from(whole: str, fraction: str, rest: str) -> str:
    """From a number upwards: more digits, or a greater one behind the same ones, or the same number and more."""
    count = len(whole)
    ways = [f"[1-9][0-9]{{{count},{max(count, 19)}}}{rest}"]
    ways += [f"{same}[{digit + 1}-9][0-9]{{{left}}}{rest}" for same, digit, left in _places(whole) if digit < 9]
    if not fraction:
        return "|".join([*ways, whole + rest])
    behind = [f"{same}[{digit + 1}-9][0-9]{{0,20}}" for same, digit, _ in _places(fraction) if digit < 9]
    return "|".join([*ways, rf"{whole}\.({'|'.join([*behind, fraction + '[0-9]{0,20}'])})"])


def _write_up_to(whole: str, fraction: str, rest: str) -> str:
    """Up to a number: fewer digits, or a smaller one behind the same ones, or the same number and less or nothing."""
    ways = [f"(0|[1-9][0-9]{{0,{len(whole) - 2}}}){rest}"] if len(whole) > 1 else []
    ways += [
        f"{same}[{first}-{digit - 1}][0-9]{{{left}}}{rest}"
        for same, digit, left in _places(whole)
        if digit > (first := int(not same and len(whole) > 1))
    ]
    behind = [f"{same}[0-{digit - 1}][0-9]{{0,20}}" for same, digit, _ in _places(fraction) if digit]
    behind += [same for same, _, _ in _places(fraction) if same]
    return "|".join([*ways, whole + (rf"(\.({'|'.join([*behind, fraction + '0{0,20}'])}))?" if rest else "")])


def _places(digits: str) -> list[tuple[str, int, int]]:
    """For each digit: those before it, itself, and how many come behind it."""
    return [(digits[:index], int(digit), len(digits) - index - 1) for index, digit in enumerate(digits)]


def _write_multiple(
    schema: Schema, unit: Fraction, low: Fraction | None, high: Fraction | None, *, is_integer: bool
) -> str:
    """A schema for llguidance, which knows multiples, and reads every number as a double."""
    number, places = float(unit), 0
    while number % 1 and places < _DIGITS:  # as llguidance takes it apart
        number, places = number * 10, places + 1
    limit = math.floor(2**53 / unit) * unit
    least, most = max(-limit if low is None else low, -limit), min(limit if high is None else high, limit)
    if Fraction(number) / 10**places != unit or number > _LARGEST_MULTIPLE or least > most:
        raise schema.error(f"multiples of {float(unit):g} cannot be enforced", "multipleOf")
    bounds = {"minimum": float(least), "maximum": float(most), "multipleOf": float(unit)}
    return write_schema({"type": "integer" if is_integer else "number", **bounds})
