"""A prompt as pieces: control tokens that the renderer wrote, text that stays text, and places for media."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from g4run.chat import tokens
from g4run.chat.messages import AudioPart, ImagePart, MediaPart, VideoPart

MediaKind: TypeAlias = Literal["image", "audio", "video"]


@dataclass(frozen=True, slots=True)
class ControlPiece:
    """Exactly one special token, by its text."""

    text: str


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text to be tokenized as text, whatever it contains: it is never searched for special tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class MediaPiece:
    """The place of a picture, a sound or a film; `text` is the placeholder that the reference writes there."""

    kind: MediaKind
    source: MediaPart

    @property
    def text(self) -> str:
        """The placeholder token's text."""
        return {"image": tokens.IMAGE, "audio": tokens.AUDIO, "video": tokens.VIDEO}[self.kind]


Piece: TypeAlias = ControlPiece | TextPiece | MediaPiece


def place_media(part: MediaPart) -> MediaPiece:
    """Give a media part its place in the prompt."""
    match part:
        case ImagePart():
            return MediaPiece("image", part)
        case AudioPart():
            return MediaPiece("audio", part)
        case VideoPart():
            return MediaPiece("video", part)


def quote(text: str) -> Iterator[Piece]:
    """Write a string between quote tokens."""
    yield ControlPiece(tokens.QUOTE)
    yield TextPiece(text)
    yield ControlPiece(tokens.QUOTE)


def separate(items: Iterable[Iterable[Piece]]) -> Iterator[Piece]:
    """Write items one after the other with commas between them."""
    for number, item in enumerate(items):
        if number:
            yield TextPiece(",")
        yield from item


def join_text(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Join neighbouring texts into one piece and drop empty ones.

    Tokenizing has to see the same stretches of text as it would between the special tokens of the whole prompt.
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
