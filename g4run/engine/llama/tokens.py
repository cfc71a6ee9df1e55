"""Tokens to bytes and back, by llama.cpp's own vocabulary of a model that is loaded, with or without its weights."""

import ctypes

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it

_LONGEST_USUAL = 64  # bytes of a piece


def piece_of(vocabulary: object, token: int) -> bytes:
    """Bytes that a token stands for, whatever their number; special tokens give their text."""
    capacity = _LONGEST_USUAL
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        length = int(C.llama_token_to_piece(vocabulary, token, buffer, capacity, 0, True))
        if length >= 0:
            return buffer.raw[:length]
        capacity = -length


def tokens_of(vocabulary: object, text: bytes) -> list[int]:
    """Tokens of a text without those that begin and end one; USER_DEFINED ones among them where it spells them out."""
    capacity = len(text) + 8
    while True:
        buffer = (C.llama_token * capacity)()
        count = int(C.llama_tokenize(vocabulary, text, len(text), buffer, capacity, False, False))
        if count >= 0:
            return list(buffer[:count])
        capacity = -count
