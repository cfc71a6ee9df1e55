"""Tokens to bytes and back, through the vocabulary of a loaded model, with or without its weights."""

import ctypes

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it

_USUAL_BYTES = 64  # enough for most pieces


def piece_of(vocabulary: object, token: int) -> bytes:
    """Return the bytes of a token; a special token gives its text."""
    capacity = _USUAL_BYTES
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        length = int(C.llama_token_to_piece(vocabulary, token, buffer, capacity, 0, True))
        if length >= 0:
            return buffer.raw[:length]
        capacity = -length


def tokens_of(vocabulary: object, text: bytes) -> list[int]:
    """Tokenize a text without BOS and EOS; USER_DEFINED tokens in it are recognized."""
    capacity = len(text) + 8
    while True:
        buffer = (C.llama_token * capacity)()
        count = int(C.llama_tokenize(vocabulary, text, len(text), buffer, capacity, False, False))
        if count >= 0:
            return list(buffer[:count])
        capacity = -count
