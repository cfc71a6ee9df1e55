"""Grammars in llguidance's hands, with a token for each byte and for each control text: no model is needed."""

import random
import re
from functools import lru_cache

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from g4run.chat.tokens import CONTROL_TEXTS, QUOTE, TOOL_CALL_CLOSE, TURN_CLOSE

_TEXTS = re.compile("|".join(map(re.escape, CONTROL_TEXTS)) + "|.", re.DOTALL)
_CLOSERS = (QUOTE, TOOL_CALL_CLOSE, '"', "}", "]", ":", ",", "0", "a")


class _Bytes:
    """What llguidance asks of a tokenizer."""

    eos_token_id = 256 + CONTROL_TEXTS.index(TURN_CLOSE)
    bos_token_id = None
    tokens = tuple([bytes([byte]) for byte in range(256)] + [b"\xff" + text.encode() for text in CONTROL_TEXTS])
    special_token_ids = tuple(range(256, 256 + len(CONTROL_TEXTS)))

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@lru_cache(maxsize=1)
def tokenizer() -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(_Bytes()), slices=[])


def matcher(grammar: str) -> LLMatcher:
    found = LLMatcher(tokenizer(), grammar, log_level=0)
    assert not found.is_error(), found.get_error()
    return found


def tokens_of(text: str, *, has_tags: bool) -> list[int]:
    """The tokens of a text, in which control texts are control tokens only where that is said."""
    if not has_tags:
        return list(text.encode())
    return [token for found in _TEXTS.finditer(text) for token in _tokens_of_part(found[0])]


def _tokens_of_part(text: str) -> list[int]:
    return [256 + CONTROL_TEXTS.index(text)] if text in CONTROL_TEXTS else list(text.encode())


def accepts(grammar: str, text: str, *, has_tags: bool = False) -> bool:
    """Whether a grammar accepts a text up to its end."""
    state = matcher(grammar)
    tokens = tokens_of(text, has_tags=has_tags)
    if state.validate_tokens(tokens) < len(tokens):
        return False
    return state.consume_tokens(tokens) and state.is_accepting()


class Walker:
    """Writes texts of a grammar at random; beyond `steps` bytes it closes what is open."""

    def __init__(self, grammar: str, seed: int, steps: int = 60) -> None:
        self._start = matcher(grammar)
        self._random = random.Random(seed)
        self._steps = steps

    def texts(self, count: int) -> list[str]:
        """Texts from so many walks, less those that did not come to an end."""
        drawn = (self.draw() for _ in range(count))
        return [text for text in drawn if text is not None]

    def draw(self) -> str | None:
        """One text; None where it did not come to an end."""
        state = self._start.deep_copy()
        written: list[int] = []
        while len(written) < 40 * self._steps:
            is_late = len(written) > self._steps
            if state.is_accepting() and (is_late or state.is_stopped() or self._random.random() < 0.1):
                return _text_of(written)
            allowed = _allowed(state)
            if not allowed:
                return _text_of(written) if state.is_accepting() else None
            written.append(self._choose(allowed, is_late=is_late))
            assert state.consume_token(written[-1])
        return None

    def _choose(self, allowed: list[int], *, is_late: bool) -> int:
        if is_late and self._random.random() < 0.7:
            for text in _CLOSERS:
                (token,) = _tokens_of_part(text)
                if token in allowed:
                    return token
        plain = [token for token in allowed if 0x20 <= token < 0x7F or token >= 256]
        return self._random.choice(plain if plain and self._random.random() < 0.9 else allowed)


def _allowed(state: LLMatcher) -> list[int]:
    mask = state.compute_bitmask()
    return [
        token
        for token in range(256 + len(CONTROL_TEXTS))
        if mask[token // 8] >> token % 8 & 1 and token != _Bytes.eos_token_id
    ]


def _text_of(tokens: list[int]) -> str:
    return b"".join(
        _Bytes.tokens[token].removeprefix(b"\xff") if token >= 256 else bytes([token]) for token in tokens
    ).decode()
