"""Answers that a model draws at random from what llama.cpp permits, closed where they must be."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from g4run.chat.tokens import CONTROL_TEXTS
from g4run.engine.closing import Closing
from g4run.engine.gbnf_check import read_grammar
from g4run.engine.llama.vocabulary import Vocabulary, piece_of
from g4run.engine.sampling.grammar import Grammar
from g4run.engine.sampling.pieces import index_first_bytes
from tests.engine.sampling.sampler_chain import LoadedVocabulary


class Tokens:
    """A vocabulary, as the worker and as the caller have it."""

    def __init__(self, path: Path) -> None:
        self.loaded = LoadedVocabulary(path)
        self.plain = Vocabulary(path, CONTROL_TEXTS)
        index = index_first_bytes(self.loaded.pointer, self.loaded.size)
        self.ends: list[int] = index.ends.tolist()
        self.of_bytes = index.singles

    def close(self) -> None:
        self.loaded.close()
        self.plain.close()

    def piece(self, token: int) -> bytes:
        return piece_of(self.loaded.pointer, token)

    def tokenize(self, raw: bytes) -> list[int]:
        return self.plain.tokenize(raw.decode("utf-8", "replace"))

    def closing(self, text: str, limit: int | None) -> Closing:
        grammar = read_grammar(text)
        ids = {name: int(name[2:-2]) if name[1] == "[" else self.loaded.token(name) for name in grammar.tokens}
        return Closing(grammar, limit, self.tokenize, self.piece, ids, self.ends, self.of_bytes)


class Answer:
    """Draws one answer, at random or `liked` wherever it may come; a token that is not permitted ends the process."""

    def __init__(
        self, tokens: Tokens, grammar: str, limit: int | None, seed: int = 0, liked: Sequence[int] = ()
    ) -> None:
        self.tokens: list[int] = []
        self.closing = tokens.closing(grammar, limit)
        self._liked = list(liked)
        self._of = tokens
        self._grammar = Grammar(grammar, tokens.loaded.pointer)
        self._random = np.random.default_rng(seed)

    def draw(self, most: int) -> bool:
        """Draw up to so many tokens more; whether the answer ended."""
        for _ in range(most):
            logits = self._random.normal(0, 1, self._of.loaded.size).astype(np.float32)
            logits[self._liked] += 100
            drawn = int(self._grammar.permitted(logits, 1)[0])
            token = self.closing.choose(drawn)
            self._grammar.accept(token)
            self.closing.accept(token)
            self.tokens.append(token)
            if token in self._of.ends:
                return True
        return False

    @property
    def text(self) -> str:
        return b"".join(map(self._of.piece, (each for each in self.tokens if each not in self._of.ends))).decode()

    def end(self) -> None:
        self._grammar.close()
