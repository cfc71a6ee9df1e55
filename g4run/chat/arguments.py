"""Gemma's notation for values: JSON with strings between quote tokens and with bare or quoted keys."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from g4run.chat.messages import MAX_DEPTH, JsonValue
from g4run.chat.pieces import Piece, TextPiece, quote, separate

_LONGEST_INTEGER_BITS = 14_000  # str() refuses integers of more than 4,300 digits


def render_argument(value: JsonValue, *, quotes_keys: bool = False, depth: int = 0) -> Iterator[Piece]:
    """Render a value in Gemma's notation, with keys sorted case-insensitively."""
    if value is None or depth > MAX_DEPTH:
        yield TextPiece("null")
    elif isinstance(value, str):
        yield from quote(value)
    elif isinstance(value, bool):
        yield TextPiece("true" if value else "false")
    elif isinstance(value, Mapping):
        yield TextPiece("{")
        yield from render_members(value, quotes_keys=quotes_keys, depth=depth + 1)
        yield TextPiece("}")
    elif isinstance(value, Sequence):
        yield TextPiece("[")
        yield from separate(render_argument(item, quotes_keys=quotes_keys, depth=depth + 1) for item in value)
        yield TextPiece("]")
    else:
        yield TextPiece(python_text(value))


def render_members(members: Mapping[str, JsonValue], *, quotes_keys: bool = False, depth: int = 0) -> Iterator[Piece]:
    """Render the members of a mapping without braces."""
    return separate(_render_member(key, value, quotes_keys, depth) for key, value in sorted_members(members))


def _render_member(key: str, value: JsonValue, quotes_keys: bool, depth: int) -> Iterator[Piece]:
    if quotes_keys:
        yield from quote(key)
    else:
        yield TextPiece(key)
    yield TextPiece(":")
    yield from render_argument(value, quotes_keys=quotes_keys, depth=depth)


def sorted_members(members: Mapping[str, JsonValue]) -> list[tuple[str, JsonValue]]:
    """Sort members by lower-cased key; the sort is stable (jinja2's `dictsort`)."""
    return sorted(members.items(), key=lambda member: member[0].lower())


def python_text(value: JsonValue) -> str:
    """Return Python's text of a value, which the reference template prints for unexpected types."""
    return str(_printable(value, depth=0))


def _printable(value: JsonValue, depth: int) -> JsonValue:
    if value is None or depth > MAX_DEPTH:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {key: _printable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_printable(item, depth + 1) for item in value]
    if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER_BITS:
        return f"{Decimal(value):f}"
    return value
