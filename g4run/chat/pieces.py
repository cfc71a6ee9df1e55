"""The pieces of a prompt: control tokens, text that stays text, and media placeholders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from g4run.chat import tokens
from g4run.chat.messages import AudioPart, ImagePart, MediaPart, VideoPart

MediaKind: TypeAlias = Literal["image", "audio", "video"]


@dataclass(frozen=True, slots=True)
class ControlPiece:
    """One special token, given by its text."""

    text: str


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text to tokenize as plain text; it is never searched for special tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class MediaPiece:
    """The place of an image, audio or video; `text` is the reference's placeholder."""

    kind: MediaKind
    source: MediaPart

    @property
    def text(self) -> str:
        """Text of the placeholder token."""
        return {"image": tokens.IMAGE, "audio": tokens.AUDIO, "video": tokens.VIDEO}[self.kind]


Piece: TypeAlias = ControlPiece | TextPiece | MediaPiece


def media_piece(part: MediaPart) -> MediaPiece:
    """Return the piece for a media part."""
    match part:
        case ImagePart():
            return MediaPiece("image", part)
        case AudioPart():
            return MediaPiece("audio", part)
        case VideoPart():
            return MediaPiece("video", part)


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
    run: list[str] = []
    for piece in pieces:
        if isinstance(piece, TextPiece):
            run.append(piece.text)
            continue
        _append_text(joined, run)
        run = []
        joined.append(piece)
    _append_text(joined, run)
    return tuple(joined)


def _append_text(pieces: list[Piece], run: list[str]) -> None:
    text = "".join(run)
    if text:
        pieces.append(TextPiece(text))
