"""A rendered prompt as tokens: control pieces by their ids, everything else as the plain text that it is."""

from g4run.chat.render import ControlPiece, MediaPiece, Prompt
from g4run.engine.text import Vocabulary
from g4run.errors import InvalidModelFile, UsageError


def tokenize_prompt(prompt: Prompt, vocabulary: Vocabulary) -> list[int]:
    """Tokens of a prompt; text that spells a control token never becomes one.

    Raises UsageError for media, which this version's engine cannot read, and InvalidModelFile for a vocabulary that
    lacks a control token.
    """
    tokens: list[int] = []
    for piece in prompt.pieces:
        if isinstance(piece, ControlPiece):
            tokens.append(_control_token(piece.text, vocabulary))
        elif isinstance(piece, MediaPiece):
            raise UsageError(f"this version cannot read the {piece.kind} in the conversation", "send text only")
        else:
            tokens += vocabulary.tokenize(piece.text)
    return tokens


def _control_token(text: str, vocabulary: Vocabulary) -> int:
    try:
        return vocabulary.control_token(text)
    except KeyError:
        raise InvalidModelFile(
            f"the model's vocabulary has no {text} token, so it is not one of Gemma 4's chat models",
            "use an instruction-tuned file, with -it in its name",
        ) from None
