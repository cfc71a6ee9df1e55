"""Reading an answer whose characters span several tokens."""

from typing import cast

import pytest

from g4run.chat.parse import ResponseParser
from g4run.engine.llama.vocabulary import Vocabulary
from g4run.engine.protocol import Sampled
from g4run.runtime.answers.answer import AnswerOptions
from g4run.runtime.answers.answer_parser import AnswerParser
from g4run.runtime.answers.answer_reader import AnswerReader


class Pieces:
    """A vocabulary of these pieces."""

    control_tokens: frozenset[int] = frozenset()

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def piece(self, token: int) -> bytes:
        return self._pieces[token]


def deltas(*pieces: bytes) -> list[str]:
    """Return the text that each piece completes, and the rest."""
    reader = AnswerReader(cast("Vocabulary", Pieces(*pieces)), AnswerOptions(), AnswerParser(ResponseParser()))
    for token in range(len(pieces)):
        list(reader.feed(Sampled(0, 0, token)))
    list(reader.finish(is_truncated=False))
    return reader.content


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_split_characters_are_joined(size: int) -> None:
    text = "aé日🙂z"
    raw = text.encode()
    pieces = deltas(*(raw[start : start + size] for start in range(0, len(raw), size)))
    assert "".join(pieces) == text
    assert not any("�" in piece for piece in pieces)


def test_invalid_bytes_become_replacement_characters() -> None:
    assert "".join(deltas(b"a\xff", b"b\xe6")) == "a�b�"
