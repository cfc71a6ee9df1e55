"""The shortest way to the end of a grammar, written out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from g4run.engine.following.places import Choice, Literal, Named, OneOf, Place, Places, Repetition
from g4run.engine.following.stacks import Frame

Part: TypeAlias = bytes | int
"""Text, or the id of a token that the grammar names."""


@dataclass(frozen=True, slots=True)
class Way:
    """The shortest way to the end: the bytes that complete a character, and what is left to do then."""

    first: bytes
    rest: Frame | None


def complete(frame: Frame | None, places: Places) -> Iterator[Part]:
    """What ends the grammar from a frame on, as its cost says; of equally short ways, the one that is written first."""
    while frame is not None:
        yield from complete_sequence(frame.place, frame.count, places)
        frame = frame.parent


def complete_sequence(place: Place | None, count: int, places: Places) -> Iterator[Part]:
    """What ends the sequence of a place alone."""
    pending = [place]
    while pending:
        place = pending.pop()
        if place is None:
            continue
        pending.append(place.following)
        match place:
            case Literal(codes=codes):
                yield "".join(map(chr, codes[count:])).encode()
            case OneOf(characters=characters):
                code = characters.choose(0, 0x10FFFF)
                assert code is not None  # its cost would be infinite
                yield chr(code).encode()
            case Named(token=token):
                yield token
            case Choice(alternatives=alternatives):
                pending.append(min(places.entries(alternatives), key=_cost))
            case Repetition(unit=unit, least=least):
                pending += [unit] * max(0, least - count)
        count = 0


def join(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Make one of neighbouring texts."""
    joined: list[Part] = []
    texts: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            texts.append(part)
            continue
        joined += (*_one(texts), part)
        texts = []
    return (*joined, *_one(texts))


def _one(texts: list[bytes]) -> tuple[bytes, ...]:
    text = b"".join(texts)
    return (text,) if text else ()


def _cost(entry: Place | None) -> float:
    return 0 if entry is None else entry.cost
