"""The tokens of a vocabulary by the bytes with which they begin."""

import ctypes
from dataclasses import dataclass
from functools import lru_cache

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np
import numpy.typing as npt

from g4run.engine.llama.vocabulary import piece_of
from g4run.engine.sampling.top_k import IndexArray

_SEPARATOR = b"\xff"  # in no UTF-8 text; only the byte token for it has it

_CONTROL = C.LLAMA_TOKEN_ATTR_CONTROL | C.LLAMA_TOKEN_ATTR_UNKNOWN | C.LLAMA_TOKEN_ATTR_USER_DEFINED
# Before these, llama_detokenize may leave a space out (llama-vocab.cpp:3840).
_MARKS = np.isin(np.arange(256), list(b"?!.,'"))

PairArray = npt.NDArray[np.uint16]


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


@lru_cache(maxsize=1)
def index_first_bytes(vocabulary: int, size: int) -> FirstBytes:
    """Read all pieces of a vocabulary of `size` tokens, once: a worker has one model for its life.

    All tokens are detokenized in one call with a separator between them, and numpy takes them apart: 0.04 s for
    262,144, where a call for each takes 0.45 (measured on one core of a Xeon at 2.6 GHz).
    """
    pairs, lengths = _beginnings(vocabulary, size)
    starts = np.concatenate(([0], np.cumsum(np.bincount(pairs, minlength=2**16))))
    single = np.flatnonzero(lengths == 1)
    singles = dict(zip((pairs[single] >> 8).tolist(), single.tolist(), strict=True))
    named = np.flatnonzero(pairs >> 8 == ord("<")).tolist()  # as all that end a turn are
    ends = [token for token in named if C.llama_vocab_is_eog(vocabulary, token)]
    controls = [token for token in named if token not in ends and _is_control(vocabulary, token)]
    order = np.argsort(pairs, kind="stable")
    return FirstBytes(order, starts, singles, np.array(ends, np.intp), np.array(controls, np.intp))


def _is_control(vocabulary: int, token: int) -> bool:
    """Gemma 4 marks some of these tokens USER_DEFINED (the channel, call and response tags, and the quote)."""
    return bool(C.llama_vocab_get_attr(vocabulary, token) & _CONTROL)


def _beginnings(vocabulary: int, size: int) -> tuple[PairArray, IndexArray]:
    """First two bytes of every piece as one number, 0 in the place of what it lacks, and its length in bytes."""
    separator = next((token for token in range(size) if piece_of(vocabulary, token) == _SEPARATOR), None)
    text = np.zeros(0, np.uint8) if separator is None else _detokenize(vocabulary, _separated(size, separator))
    stops = np.flatnonzero(text == _SEPARATOR[0])
    if separator is None or stops.shape[0] != size:
        return _beginnings_of(vocabulary, np.arange(size))
    starts = np.concatenate(([0], stops[:-1] + 1))
    lengths = stops - starts
    first = np.where(lengths > 0, text[starts], 0)
    second = np.where(lengths > 1, text[np.minimum(starts + 1, stops)], 0)
    pairs = np.asarray(256 * first.astype(np.uint16) + second, np.uint16)
    again = np.append(np.flatnonzero(_MARKS[first] | _MARKS[second]), separator)
    pairs[again], lengths[again] = _beginnings_of(vocabulary, again)
    return pairs, lengths


def _beginnings_of(vocabulary: int, tokens: IndexArray) -> tuple[PairArray, IndexArray]:
    """The same of some tokens, which are read one by one."""
    pieces = [piece_of(vocabulary, token) for token in tokens.tolist()]
    pairs = np.frombuffer(b"".join(piece[:2].ljust(2, b"\0") for piece in pieces), ">u2")
    return pairs.astype(np.uint16), np.array([len(piece) for piece in pieces], np.intp)


def _separated(size: int, separator: int) -> npt.NDArray[np.int32]:
    """All tokens in order, each before a separator; the separator itself is left to be read alone."""
    tokens = np.full(2 * size, separator, np.int32)
    tokens[::2] = np.arange(size)
    return np.delete(tokens, 2 * separator)


def _detokenize(vocabulary: int, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Bytes of the tokens one after the other."""
    capacity = 8 * tokens.shape[0]
    pointer = tokens.ctypes.data_as(ctypes.POINTER(C.llama_token))
    while True:
        text = np.empty(capacity, np.uint8)
        room = text.ctypes.data_as(ctypes.c_char_p)
        length = int(C.llama_detokenize(vocabulary, pointer, tokens.shape[0], room, capacity, False, True))
        if length >= 0:
            return text[:length]
        capacity = -length
