"""Holds an answer to a GBNF grammar: llama.cpp's own grammar sampler, asked about as few tokens as possible."""

import os
import tempfile
import time

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np
import numpy.typing as npt

from g4run.engine.gbnf_check import read_grammar
from g4run.engine.llama.vocabulary import piece_of
from g4run.engine.sampling.pieces import index_first_bytes
from g4run.engine.sampling.token_data import TokenDataArray
from g4run.engine.sampling.top_k import FloatArray, IndexArray, largest

_FEW = 256  # tokens that are tested before others: 0.04 ms
_MANY = 4096  # and then these: 0.6 ms; the whole of a Gemma 4 vocabulary takes 38 ms
_LARGE = 1000  # tokens that begin with the same byte; half of a Gemma 4 vocabulary begins with a space
_BEYOND_ASCII = range(0x80, 0x100)
_CONTINUATIONS = range(0x80, 0xC0)  # bytes in the middle of a UTF-8 character

_LONGEST_SECONDS = 0.25  # of computing for one token; microseconds, but an ambiguous grammar doubles it each time

BoolArray = npt.NDArray[np.bool_]


class Grammar:
    """The state of one request's grammar. It is fed only with what it permits: anything else ends the process.

    A control token has a text, which a grammar may permit as text; but it is none, and comes only where it is named.

    `read` is the grammar as a value, `token_ids` are the tokens that it names.

    `is_too_slow` says that one token took so long that the next ones might take minutes: llama.cpp follows all ways to
    read what was written, and an ambiguous grammar has ever more of them.
    """

    def __init__(self, text: str, vocabulary: int) -> None:
        """Read the text, whose root rule is `root`. Raises ValueError with the reason where it cannot be followed."""
        self.read = read_grammar(text)
        self._vocabulary = vocabulary
        self._size = int(C.llama_vocab_n_tokens(vocabulary))
        self._excludes_beyond_ascii = self.read.excludes_beyond_ascii
        self.token_ids = {name: self._token_named(name) for name in self.read.tokens}
        self._named = frozenset(self.token_ids.values())
        self._is_barred = np.zeros(self._size, np.bool_)
        self._is_barred[index_first_bytes(vocabulary, self._size).controls] = True
        self._is_barred[list(self._named)] = False
        self._handle = _make_sampler(vocabulary, text)
        self._candidates = TokenDataArray()
        self._is_ended = False
        self.is_too_slow = False

    def close(self) -> None:
        """Free what llama.cpp keeps."""
        if self._handle is not None:
            C.llama_sampler_free(self._handle)
            self._handle = None

    def permits(self, token: int) -> bool:
        """Whether a token may come next; an end token may when the grammar is complete."""
        return bool(self._test(np.array([token]))[0])

    def accept(self, token: int) -> None:
        """Go on after a token that is permitted."""
        if C.llama_vocab_is_eog(self._vocabulary, token):
            self._is_ended = True
        elif not self._is_ended:
            started = time.thread_time()
            C.llama_sampler_accept(self._handle, token)
            self.is_too_slow = time.thread_time() - started > _LONGEST_SECONDS

    @property
    def is_finished(self) -> bool:
        """Whether nothing but an end token may follow. Costs 0.1 ms once the grammar may end, and more before text."""
        if self._is_ended:
            return True
        ends = index_first_bytes(self._vocabulary, self._size).ends
        if not self._test(ends).any():
            return False
        others = np.setdiff1d(self._possible(), ends)
        return not self._test(others).any()

    def permitted(self, logits: FloatArray, enough: int | None) -> IndexArray:
        """Tokens that may come next: all of them, or the `enough` likeliest, best first. Those of -inf are left out.

        The likeliest ones are tested first; only if too few of them are permitted, all are whose beginning is.
        """
        if enough is not None:
            found = self._permitted_of(largest(logits, _FEW), enough)
            if found.shape[0] == enough:
                return found
        possible = self._possible()
        possible = possible[logits[possible] > -np.inf]
        if enough is not None and possible.shape[0] > 2 * _MANY:
            found = self._permitted_of(possible[largest(logits[possible], _MANY)], enough)
            if found.shape[0] == enough:
                return found
        permitted = possible[self._test(possible)]
        return permitted if enough is None else permitted[largest(logits[permitted], enough)]

    def _permitted_of(self, tokens: IndexArray, enough: int) -> IndexArray:
        return tokens[self._test(tokens)][:enough]

    def _possible(self) -> IndexArray:
        """Tokens whose beginning is permitted, the end tokens, and those that the grammar names; in order.

        A token can be permitted only if its first byte is, and then its second byte after that.
        """
        index = index_first_bytes(self._vocabulary, self._size)
        mask = np.zeros(self._size, np.bool_)
        mask[index.ends] = True
        mask[list(self._named)] = True
        for byte in self._permitted_bytes(self._handle):
            beginning = index.beginning(byte)
            if byte in _BEYOND_ASCII or byte not in index.singles or beginning.shape[0] < _LARGE:
                mask[beginning] = True
            else:
                self._mark_after(byte, mask)
        return np.flatnonzero(mask & ~self._is_barred)

    def _mark_after(self, byte: int, mask: BoolArray) -> None:
        index = index_first_bytes(self._vocabulary, self._size)
        after = C.llama_sampler_clone(self._handle)
        C.llama_sampler_accept(after, index.singles[byte])
        for second in (0, *self._permitted_bytes(after)):
            mask[index.beginning_with_pair(byte, second)] = True
        C.llama_sampler_free(after)

    def _permitted_bytes(self, handle: object) -> list[int]:
        """First bytes that a permitted token may have: those that may come alone, and those that cannot be asked for.

        llama.cpp answers no for a byte of a character where [^...] excludes any character that begins with it
        (llama-grammar.cpp:797), although others that do are permitted.
        """
        singles = index_first_bytes(self._vocabulary, self._size).singles
        asked = [byte for byte in range(1, 0x100) if byte in singles and not self._must_assume(byte)]
        passing = self._candidates.passing(handle, np.array([singles[byte] for byte in asked], np.intp))
        assumed = [byte for byte in range(1, 0x100) if byte not in singles or self._must_assume(byte)]
        return [*np.array(asked)[passing].tolist(), *assumed]

    def _must_assume(self, byte: int) -> bool:
        return byte in _CONTINUATIONS or (self._excludes_beyond_ascii and byte in _BEYOND_ASCII)

    def _test(self, tokens: IndexArray) -> BoolArray:
        """Which of the tokens may come next."""
        passing = self._candidates.passing(self._handle, tokens)
        passing &= ~self._is_barred[tokens]
        if self._named:
            for place in np.flatnonzero(passing):
                token = int(tokens[place])
                passing[place] = token not in self._named or self._can_be_accepted(token)
        return passing

    def _can_be_accepted(self, token: int) -> bool:
        """Whether a token that the grammar names, and that llama.cpp lets pass, will not end the process.

        It lets one pass after a part of its text, too (llama-grammar.cpp:1083), and then throws when it accepts it. So
        either no part of its text is permitted, or all of it is.
        """
        singles = index_first_bytes(self._vocabulary, self._size).singles
        walk = C.llama_sampler_clone(self._handle)
        try:
            for place, byte in enumerate(piece_of(self._vocabulary, token)):
                if not self._candidates.passing(walk, np.array([singles[byte]]))[0]:
                    return place == 0
                C.llama_sampler_accept(walk, singles[byte])
            return True
        finally:
            C.llama_sampler_free(walk)

    def _token_named(self, name: str) -> int:
        """Id of a token as a grammar names it: <[id]> or <text>."""
        if name.startswith("<["):
            token = int(name[2:-2])
        else:
            raw = name.encode()
            found = (C.llama_token * 2)()
            count = C.llama_tokenize(self._vocabulary, raw, len(raw), found, 2, False, True)
            token = int(found[0]) if count == 1 else -1
        if not 0 <= token < self._size:
            raise ValueError(f"grammar: the model has no token {name}")
        return token


def _make_sampler(vocabulary: int, text: str) -> object:
    handle = C.llama_sampler_init_grammar(vocabulary, text.encode(), b"root")
    if not handle:
        raise ValueError(f"grammar: {_reason(vocabulary, text)}")
    return handle


def _reason(vocabulary: int, text: str) -> str:
    """What llama.cpp writes to stderr as it refuses a grammar: it does so once more, with a file in stderr's place."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            handle = C.llama_sampler_init_grammar(vocabulary, text.encode(), b"root")
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        if handle:
            C.llama_sampler_free(handle)
        file.seek(0)
        lines = file.read().decode("utf-8", "replace").splitlines()
    said = next((line for line in lines if line.strip()), "llama.cpp cannot follow it")
    return said.removeprefix("parse: error parsing grammar: ").strip()
