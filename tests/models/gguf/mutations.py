"""Changes that break valid Gemma 4 files, and the errors they cause."""

from dataclasses import dataclass, replace

import pytest

from g4run.errors import InvalidModelFile
from g4run.models.gguf.header import parse_header
from g4run.models.gguf.loadable import check_loadable
from scripts.shapes.metadata import texts_value
from scripts.shapes.tensors import Tensor
from tests.fakes.gguf_files import EXPERTS, LARGE, SMALL, GgufFile, gemma4_file, token_texts

S, L, X = gemma4_file(SMALL), gemma4_file(LARGE), gemma4_file(EXPERTS)
ATTENTION, TOKENIZER = "gemma4.attention.", "tokenizer.ggml."


@dataclass(frozen=True, slots=True)
class Mutation:
    """A broken file, and a part of its error message."""

    file: GgufFile
    message: str


def with_tokens(change: dict[int, str]) -> GgufFile:
    texts = token_texts()
    for index, text in change.items():
        texts[index] = text
    return S.having(TOKENIZER + "tokens", texts_value(texts))


def with_tensors(file: GgufFile, *more: Tensor) -> GgufFile:
    return replace(file, tensors=(*file.tensors, *more))


def check(file: GgufFile) -> None:
    data = file.header()
    check_loadable(parse_header(lambda offset, length: data[offset : offset + length], None))


def explanation(file: GgufFile) -> str:
    """Return the error message for a broken file."""
    with pytest.raises(InvalidModelFile) as raised:
        check(file)
    return raised.value.message
