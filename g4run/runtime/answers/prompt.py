"""Tokenize a rendered prompt: control pieces by id, everything else as plain text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from g4run.chat.messages import MediaPart, Role
from g4run.chat.pieces import ControlPiece, Piece
from g4run.chat.render import Prompt
from g4run.chat.tokens import CHANNEL_CLOSE, CHANNEL_OPEN, TURN_OPEN
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.errors import InvalidModelFile, UsageError

_EMPTY_THOUGHT = (CHANNEL_OPEN, "thought\n", CHANNEL_CLOSE)


@dataclass(frozen=True, slots=True)
class TokenizedPrompt:
    """A prompt's tokens.

    `boundaries` are positions where a later prompt with the same beginning can diverge: the end of the system turn, the
    start of the last user turn, and the start of an empty thought, which the history omits.
    """

    tokens: tuple[int, ...]
    boundaries: tuple[int, ...] = ()


def tokenize_prompt(prompt: Prompt, vocabulary: Vocabulary) -> TokenizedPrompt:
    """Tokenize a prompt; text that spells a control token never becomes one.

    Raises UsageError for media, which this version does not support, and InvalidModelFile if the vocabulary lacks a
    control token.
    """
    tokens: list[int] = []
    starts: list[int] = []
    for piece in prompt.pieces:
        starts.append(len(tokens))
        if isinstance(piece, ControlPiece):
            tokens.append(control_token(piece.text, vocabulary))
        elif isinstance(piece, MediaPart):
            raise UsageError(f"this version does not support {piece.kind} in the conversation", "send text only")
        else:
            tokens += vocabulary.tokenize(piece.text)
    found = {starts[index] for index in _boundaries(prompt.pieces)}
    return TokenizedPrompt(tuple(tokens), tuple(sorted(found - {0})))


def control_token(text: str, vocabulary: Vocabulary) -> int:
    """Return the id of a control token. Raises InvalidModelFile if the vocabulary lacks it."""
    try:
        return vocabulary.control_token(text)
    except KeyError:
        raise InvalidModelFile(
            f"the model's vocabulary has no {text} token, so it is not a Gemma 4 chat model",
            "use an instruction-tuned file, with -it in its name",
        ) from None


def _boundaries(pieces: Sequence[Piece]) -> Iterator[int]:
    """Yield the indexes of the pieces that start at a boundary."""
    turns = [index for index, piece in enumerate(pieces) if piece == ControlPiece(TURN_OPEN)]
    roles = [pieces[index + 1].text.partition("\n")[0] for index in turns]
    if len(turns) > 1 and roles[0] in (Role.SYSTEM, Role.DEVELOPER):
        yield turns[1]
    if Role.USER in roles:
        yield max(turn for turn, role in zip(turns, roles, strict=True) if role == Role.USER)
    if tuple(piece.text for piece in pieces[-len(_EMPTY_THOUGHT) :]) == _EMPTY_THOUGHT:
        yield len(pieces) - len(_EMPTY_THOUGHT)
