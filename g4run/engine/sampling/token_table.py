"""A model's vocabulary in the form that llguidance needs, built when the first grammar arrives."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it

from g4run.engine.grammar_check import TokenizerParts, compile_grammar, compile_in_thread
from g4run.engine.llama.vocabulary import piece_of, tokens_of

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

# Gemma 4 marks some of its tags USER_DEFINED (the channel, call and response tags, and the quote).
_SPECIAL = C.LLAMA_TOKEN_ATTR_CONTROL | C.LLAMA_TOKEN_ATTR_UNKNOWN | C.LLAMA_TOKEN_ATTR_USER_DEFINED
# llguidance masks tokens of only these characters as one: 20 MB, and a mask in a JSON string takes 0.05 ms, not 5.
_SLICE = r'[^"\\\x00-\x1F\x7F]+'


@dataclass(frozen=True, slots=True)
class TokenSet:
    """llguidance's tokenizer and the tokens with a role of their own.

    `ends` are the tokens that end an answer, the usual one first; `tags` the other special tokens by their text;
    `bytes` one token for each single byte.
    """

    tokenizer: "LLTokenizer"
    ends: tuple[int, ...]
    tags: dict[bytes, int]
    bytes: dict[int, int]


class TokenTable:
    """The vocabulary of one model for constrained decoding.

    Building Gemma 4's takes 0.9 s and 78 MB, in a thread next to the decode loop; for 0.5 s of that llguidance holds
    the interpreter lock.
    """

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self.size = int(C.llama_vocab_n_tokens(vocabulary))
        self._lock = threading.Lock()

    def compile(self, lark: str) -> "Future[LLMatcher]":
        """Start compiling a grammar; the result may raise ValueError."""
        return compile_in_thread(lambda: compile_grammar(self._built().tokenizer, lark))

    @cached_property
    def tokens(self) -> TokenSet:
        """The vocabulary, built at first use."""
        return _build(self.vocabulary, self.size)

    def _built(self) -> TokenSet:
        with self._lock:
            return self.tokens


def end_token(vocabulary: int) -> int:
    """Return the token that ends a turn, or else that which ends a text."""
    turn_end = int(C.llama_vocab_eot(vocabulary))
    return turn_end if turn_end >= 0 else int(C.llama_vocab_eos(vocabulary))


def _build(vocabulary: int, size: int) -> TokenSet:
    from llguidance import LLTokenizer, TokenizerWrapper  # noqa: PLC0415 - 60 ms that only constrained decoding needs

    pieces = [piece_of(vocabulary, token) for token in range(size)]
    tags = {piece: token for token, piece in enumerate(pieces) if piece[:1] == b"<" and _is_special(vocabulary, token)}
    ends = [token for token in tags.values() if C.llama_vocab_is_eog(vocabulary, token)]
    ends.sort(key=end_token(vocabulary).__ne__)
    of_bytes = {piece[0]: token for token, piece in enumerate(pieces) if len(piece) == 1}
    if len(of_bytes) < 0x100:
        raise ValueError("grammar: the vocabulary does not have a token for each byte")
    tokenize = partial(_tokenize, vocabulary, frozenset(tags.values()), of_bytes)
    parts = TokenizerParts(pieces, list(tags.values()), ends[0], tokenize)
    return TokenSet(
        tokenizer=LLTokenizer(TokenizerWrapper(parts), eos_token=ends, slices=[_SLICE]),
        ends=tuple(ends),
        tags={text: token for text, token in tags.items() if token not in ends},
        bytes=of_bytes,
    )


def _is_special(vocabulary: int, token: int) -> bool:
    return bool(C.llama_vocab_get_attr(vocabulary, token) & _SPECIAL)


def _tokenize(vocabulary: int, special: frozenset[int], of_bytes: dict[int, int], text: bytes) -> list[int]:
    """Tokenize text; text that spells a special token stays text."""
    tokens = tokens_of(vocabulary, text)
    return [of_bytes[byte] for byte in text] if special.intersection(tokens) else tokens
