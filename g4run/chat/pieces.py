"""The pieces of a prompt: control tokens, text that stays text, and media placeholders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from g4run.chat import tokens
from g4run.chat.messages import MediaPart


@dataclass(frozen=True, slots=True)
class ControlPiece:
    """One special token, given by its text."""

    text: str


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text to tokenize as plain text; it is never searched for special tokens."""

    text: str


Piece: TypeAlias = ControlPiece | TextPiece | MediaPart


def quote(text: str) -> Iterator[Piece]:
    """Render a string between quote tokens."""
    yield ControlPiece(tokens.QUOTE)
    yield TextPiece(text)
    yield ControlPiece(tokens.QUOTE)


def separate(items: Iterable[Iterable[Piece]]) -> Iterator[Piece]:
    """Join items with commas."""
    for number, item in enumerate(items):
        if number:
            yield TextPiece(",")
        yield from item


def join_text(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Join adjacent texts into one piece and drop empty ones.

    The tokenizer must see the same runs of text as between the special tokens of the whole prompt.
    """
    joined: list[Piece] = []
    for is_text, run in groupby(pieces, lambda piece: isinstance(piece, TextPiece)):
        if not is_text:
            joined += run
        elif text := "".join(piece.text for piece in run):
            joined.append(TextPiece(text))
    return tuple(joined)
