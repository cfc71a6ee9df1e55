"""The bytes that tokens stand for, on the worker's side: of one token, and the first byte of each."""

import ctypes
import re
from dataclasses import dataclass
from functools import lru_cache

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np
import numpy.typing as npt

from g4run.engine.ranking import IndexArray

_SEPARATOR = b"\xff"  # in no UTF-8 text; only the byte token for it has it

_CONTROL = C.LLAMA_TOKEN_ATTR_CONTROL | C.LLAMA_TOKEN_ATTR_UNKNOWN | C.LLAMA_TOKEN_ATTR_USER_DEFINED
_CLEANED = re.compile(rb"[?!.,']")  # before these, llama_detokenize may leave a space out (llama-vocab.cpp:3840)


@dataclass(frozen=True, slots=True)
class FirstBytes:
    """Tokens by the first byte of their pieces.

    `tokens` holds all of them, by first byte and then by second byte, 0 where there is none; those of a pair of bytes
    begin at `starts[256 * first + second]`. `singles` maps a byte to a token that is just that byte. `ends` are the
    tokens that nothing follows, `controls` the others that structure a conversation and are no text.
    """

    tokens: IndexArray
    starts: IndexArray
    singles: dict[int, int]
    ends: IndexArray
    controls: IndexArray

    def beginning(self, byte: int) -> IndexArray:
        """Tokens whose piece begins with a byte."""
        return self.tokens[self.starts[256 * byte] : self.starts[256 * byte + 256]]

    def beginning_with_pair(self, first: int, second: int) -> IndexArray:
        """Tokens whose piece begins with two bytes; 0 as `second` gives those that end after the first."""
        pair = 256 * first + second
        return self.tokens[self.starts[pair] : self.starts[pair + 1]]


def piece_of(vocabulary: int, token: int) -> bytes:
    """Bytes that a token stands for; special tokens give their text."""
    capacity = 64
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        length = int(C.llama_token_to_piece(vocabulary, token, buffer, capacity, 0, True))
        if length >= 0:
            return buffer.raw[:length]
        capacity = -length


@lru_cache(maxsize=1)
def index_first_bytes(vocabulary: int, size: int) -> FirstBytes:
    """Read all pieces of a vocabulary of `size` tokens, once: a worker has one model for its life.

    All tokens are detokenized in one call with a separator between them: 0.2 s for 262,144, a call for each takes 0.5.
    """
    pieces = _all_pieces(vocabulary, size)
    pairs = np.frombuffer(b"".join(piece[:2].ljust(2, b"\0") for piece in pieces), ">u2").astype(np.intp)
    order = np.argsort(pairs, kind="stable")
    starts = np.searchsorted(pairs[order], np.arange(2**16 + 1))
    singles = {piece[0]: token for token, piece in enumerate(pieces) if len(piece) == 1}
    named = [token for token, piece in enumerate(pieces) if piece.startswith(b"<")]  # as all that end a turn are
    ends = [token for token in named if C.llama_vocab_is_eog(vocabulary, token)]
    controls = [token for token in named if token not in ends and _is_control(vocabulary, token)]
    return FirstBytes(order, starts, singles, np.array(ends, np.intp), np.array(controls, np.intp))


def _is_control(vocabulary: int, token: int) -> bool:
    """Gemma 4 marks some of these tokens USER_DEFINED (the channel, call and response tags, and the quote)."""
    return bool(C.llama_vocab_get_attr(vocabulary, token) & _CONTROL)


def _all_pieces(vocabulary: int, size: int) -> list[bytes]:
    separator = next((token for token in range(size) if piece_of(vocabulary, token) == _SEPARATOR), None)
    if separator is None:
        return [piece_of(vocabulary, token) for token in range(size)]
    tokens = np.full(2 * size, separator, np.int32)
    tokens[::2] = np.arange(size)
    tokens[2 * separator] = tokens[0]  # the separator itself would give an empty piece more
    raw = _detokenize(vocabulary, tokens)
    pieces = raw.split(_SEPARATOR)[:size]
    pieces[separator] = _SEPARATOR
    return [piece_of(vocabulary, token) if _CLEANED.search(piece) else piece for token, piece in enumerate(pieces)]


def _detokenize(vocabulary: int, tokens: npt.NDArray[np.int32]) -> bytes:
    capacity = 8 * tokens.shape[0]
    pointer = tokens.ctypes.data_as(ctypes.POINTER(C.llama_token))
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        length = int(C.llama_detokenize(vocabulary, pointer, tokens.shape[0], buffer, capacity, False, True))
        if length >= 0:
            return buffer.raw[:length]
        capacity = -length
