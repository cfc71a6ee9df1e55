"""Numbers between bounds, as automata of the digits that write them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final, TypeAlias

from g4run.chat.grammars import characters
from g4run.chat.grammars.automata import Automaton, explore
from g4run.chat.grammars.characters import CharacterSet
from g4run.chat.grammars.patterns import compile_whole

_State: TypeAlias = "str | tuple[bool, _Digits]"  # "start", "minus", or whether it is negative and what has been read
_INTEGER_DIGITS: Final = 20  # unless a bound has more: any 64-bit integer
_SIGNIFICANT_DIGITS: Final = 15  # as many as a double keeps, so that reading the text cannot round it over a bound
_FRACTION_DIGITS: Final = 20
MAX_BOUND_DIGITS: Final = 400

FREE_INTEGER: Final = f"-?(0|[1-9][0-9]{{0,{_INTEGER_DIGITS - 1}}})"
_FRACTION: Final = rf"\.[0-9]{{1,{_FRACTION_DIGITS}}}"
FREE_NUMBER: Final = (
    rf"{FREE_INTEGER}({_FRACTION})?|-?[1-9]({_FRACTION})?[eE][+-]?(0?[1-9]|[1-9][0-9]|[12][0-9]{{2}}|30[0-6])"
)
"""No exponent that a double could not hold; at most 20 digits before and behind the point, so that no digits go on."""


@dataclass(frozen=True, slots=True)
class NumberBounds:
    """Which numbers are allowed; None is no bound."""

    is_integer: bool = False
    minimum: Fraction | None = None
    minimum_is_excluded: bool = False
    maximum: Fraction | None = None
    maximum_is_excluded: bool = False
    multiple_of: Fraction | None = None

    def hold(self, value: Fraction) -> bool:
        """Whether they allow a number."""
        return not (
            (self.is_integer and value.denominator != 1)
            or (self.minimum is not None and (value, not self.minimum_is_excluded) < (self.minimum, True))
            or (self.maximum is not None and (-value, not self.maximum_is_excluded) < (-self.maximum, True))
            or (self.multiple_of is not None and (value / self.multiple_of).denominator != 1)
        )


@dataclass(frozen=True, slots=True)
class _Limit:
    """The digits of a bound that is not negative."""

    whole: str
    fraction: str
    is_excluded: bool


@dataclass(frozen=True, slots=True)
class _Range:
    """Magnitudes from `low` to `high`; `unit` is what they are multiples of, in the last of `places` digits."""

    low: _Limit
    high: _Limit | None
    whole_digits: int
    places: int
    unit: int


@dataclass(frozen=True, slots=True)
class _Digits:
    """What has been read: how many digits before or behind the point, how they compare with both bounds, and the rest.

    `low` and `high` compare as -1, 0 or 1; while the whole part is read, as if it had as many digits as the bound.
    """

    count: int = 0
    low: int = 0
    high: int = 0
    remainder: int = 0
    is_zero: bool = True
    in_fraction: bool = False


@lru_cache(maxsize=64)
def compile_number(bounds: NumberBounds) -> Automaton:
    """The texts of all numbers within some bounds, exponents only where there are none; raises TooComplex."""
    if bounds == NumberBounds(bounds.is_integer):
        return compile_whole(FREE_INTEGER if bounds.is_integer else FREE_NUMBER)
    plain, negative = _upwards(bounds), _downwards(bounds)

    def moves(state: _State) -> Iterator[tuple[CharacterSet, _State]]:
        if state == "start" and negative is not None:
            yield characters.of("-"), "minus"
        is_negative, digits = (state == "minus", _Digits()) if isinstance(state, str) else state
        limits = negative if is_negative else plain
        if limits is not None:
            for mark in "0123456789.":
                if following := _step(limits, digits, mark):
                    yield characters.of(mark), (is_negative, following)

    def accepts(state: _State) -> bool:
        if isinstance(state, str):
            return False
        limits = negative if state[0] else plain
        return limits is not None and _fits(limits, state[1]) and not (state[0] and state[1].is_zero)

    start: _State = "start"
    return explore(start, moves, accepts)


def _upwards(bounds: NumberBounds) -> _Range | None:
    """What is allowed from 0 on."""
    low, excluded = (bounds.minimum, bounds.minimum_is_excluded) if bounds.minimum is not None else (None, False)
    if low is None or low < 0:
        low, excluded = Fraction(0), False
    return _range(bounds, low, excluded, bounds.maximum, bounds.maximum_is_excluded)


def _downwards(bounds: NumberBounds) -> _Range | None:
    """What is allowed below 0, without its sign."""
    turned = replace(
        bounds,
        minimum=None if bounds.maximum is None else -bounds.maximum,
        minimum_is_excluded=bounds.maximum_is_excluded,
        maximum=None if bounds.minimum is None else -bounds.minimum,
        maximum_is_excluded=bounds.minimum_is_excluded,
    )
    return _upwards(turned)


def _range(
    bounds: NumberBounds, low: Fraction, low_is_excluded: bool, high: Fraction | None, high_is_excluded: bool
) -> _Range | None:
    if high is not None and high < low:
        return None
    lower = _limit(low, low_is_excluded)
    upper = None if high is None else _limit(high, high_is_excluded)
    longest = max(len(lower.whole), len(upper.whole) if upper else 0)
    finest = max(len(lower.fraction), len(upper.fraction) if upper else 0)
    places = 0 if bounds.is_integer else max(finest, 1, _SIGNIFICANT_DIGITS - longest)
    unit = 1
    if bounds.multiple_of is not None:
        places = 0 if bounds.is_integer else _places(bounds.multiple_of)
        scaled = bounds.multiple_of * 10**places
        unit = scaled.numerator  # of an integer range, a multiple of 2.5 is one of 5
    return _Range(lower, upper, max(longest, _INTEGER_DIGITS if upper is None else 1), places, unit)


def _places(value: Fraction) -> int:
    """Digits behind the point that a decimal fraction needs."""
    return max(0, -int(_decimal(value).normalize().as_tuple().exponent))


def _decimal(value: Fraction) -> Decimal:
    """A decimal fraction exactly; its denominator divides a power of 10."""
    places = 0
    while value.denominator != 1:
        value *= 10
        places += 1
    return Decimal((0 if value >= 0 else 1, tuple(map(int, str(abs(value.numerator)))), -places))


def _limit(value: Fraction, is_excluded: bool) -> _Limit:
    whole, _, fraction = f"{_decimal(value):f}".partition(".")
    return _Limit(whole, fraction.rstrip("0"), is_excluded)


def _step(limits: _Range, digits: _Digits, mark: str) -> _Digits | None:
    """Read one more character; None where no number goes on so."""
    if mark == ".":
        if digits.in_fraction or not digits.count or not limits.places:
            return None
        return replace(
            digits,
            in_fraction=True,
            count=0,
            low=_whole(digits, limits.low, digits.low),
            high=_whole(digits, limits.high, digits.high),
        )
    count = digits.count
    if count and not digits.in_fraction and digits.is_zero:
        return None  # nothing follows a leading zero
    if count >= (limits.places if digits.in_fraction else limits.whole_digits):
        return None
    return _Digits(
        count + 1,
        _compare(digits.low, mark, _digit(limits.low, digits)),
        _compare(digits.high, mark, _digit(limits.high, digits)),
        (digits.remainder * 10 + int(mark)) % limits.unit,
        digits.is_zero and mark == "0",
        digits.in_fraction,
    )


def _digit(limit: _Limit | None, digits: _Digits) -> str | None:
    """The bound's digit at the place that is read next; None where it has none there any more."""
    if limit is None:
        return None
    text = limit.fraction if digits.in_fraction else limit.whole
    return text[digits.count] if digits.count < len(text) else "0" if digits.in_fraction else None


def _compare(so_far: int, mark: str, other: str | None) -> int:
    return so_far if so_far or other is None else (mark > other) - (mark < other)


def _whole(digits: _Digits, limit: _Limit | None, so_far: int) -> int:
    """How the whole part compares once it is complete: by its length, then by its digits."""
    if limit is None:
        return -1
    return so_far if digits.count == len(limit.whole) else 1 if digits.count > len(limit.whole) else -1


def _fits(limits: _Range, digits: _Digits) -> bool:
    """Whether a number that ends here lies between the bounds."""
    if not digits.count:
        return False
    places_left = limits.places - (digits.count if digits.in_fraction else 0)
    if digits.remainder * 10**places_left % limits.unit:
        return False
    low = _ended(digits, limits.low, digits.low)
    high = _ended(digits, limits.high, digits.high)
    return (low > 0 or (low == 0 and not limits.low.is_excluded)) and (
        high < 0 or (high == 0 and not (limits.high and limits.high.is_excluded))
    )


def _ended(digits: _Digits, limit: _Limit | None, so_far: int) -> int:
    """How a number that ends here compares with a bound."""
    if not digits.in_fraction:
        so_far = _whole(digits, limit, so_far)
    if so_far or limit is None:
        return so_far or -1
    return -1 if limit.fraction[digits.count if digits.in_fraction else 0 :] else 0
