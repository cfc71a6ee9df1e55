"""Answers that a model draws at random under a grammar, completed where they must be."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from llguidance import LLMatcher

from g4run.chat.messages import JsonValue
from g4run.engine.grammar_check import await_grammar
from g4run.engine.llama.vocabulary import piece_of, tokens_of
from g4run.engine.parameters import SamplingParameters
from g4run.engine.sampling.completion import Completion
from g4run.engine.sampling.constraint import Constraint
from g4run.engine.sampling.draw import SamplerChain
from tests.engine.requests import DEMO
from tests.engine.sampling.sampler_chain import LoadedVocabulary

REAL = os.environ.get("G4RUN_TEST_VOCABULARY")
WHITESPACE = {"whitespace_pattern": r" ?|\n {0,8}"}


def each_vocabulary(request: pytest.FixtureRequest) -> Iterator[LoadedVocabulary]:
    """The body of a fixture with the parameters `demo` and `real`."""
    if request.param == "real" and REAL is None:
        pytest.skip("G4RUN_TEST_VOCABULARY is not set")
    loaded = LoadedVocabulary(DEMO if request.param == "demo" else Path(REAL or ""))
    yield loaded
    loaded.close()


def lark_of(schema: JsonValue) -> str:
    """A schema as llguidance itself compiles it."""
    return "start: %json " + json.dumps({**schema, "x-guidance": WHITESPACE} if isinstance(schema, dict) else schema)


def matcher_of(loaded: LoadedVocabulary, lark: str) -> LLMatcher:
    return await_grammar(loaded.table.compile(lark))


def ending(loaded: LoadedVocabulary, matcher: LLMatcher, lark: str = "", most: int = 1000) -> list[int] | None:
    """How an answer would be completed from here."""
    completion = Completion(loaded.table.tokens, lark)
    return completion.plan if completion.plan_ending(matcher, most) else None


def least(loaded: LoadedVocabulary, lark: str) -> int:
    """Tokens of an answer that is completed from its first token on."""
    found = ending(loaded, matcher_of(loaded, lark), lark)
    assert found is not None
    return len(found)


class Answer:
    """One answer, drawn at random, or with what is `liked` wherever it may come."""

    def __init__(
        self, loaded: LoadedVocabulary, lark: str, limit: int | None = None, seed: int = 0, liked: Sequence[int] = ()
    ) -> None:
        self.tokens: list[int] = []
        self._piece: Callable[[int], bytes] = partial(piece_of, loaded.pointer)
        self.constraint = Constraint(lark, loaded.table, self._piece)
        self._loaded = loaded
        self._left = limit
        self._liked = list(liked)
        self._random = np.random.default_rng(seed)
        self._chain = SamplerChain(SamplingParameters(temperature=0))

    def draw(self, most: int) -> bool:
        """Draw up to so many tokens more; whether the answer is whole."""
        for _ in range(most):
            logits = self._random.normal(0, 1, self._loaded.size).astype(np.float32)
            logits[self._liked] += 100
            drawn = self._chain.draw(logits)
            assert drawn is not None
            token = self.constraint.draw(self._chain, logits, drawn, self._left)
            assert token is not None, (self.constraint.ended_by, self.constraint.refusal, self.text)
            self.constraint.accept(token)
            self.tokens.append(token)
            self._left = None if self._left is None else self._left - 1
            if self.constraint.is_finished or self.constraint.ended_by:
                break
        return self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether it might end here."""
        assert self.constraint._matcher is not None
        return self.constraint._matcher.is_accepting()

    @property
    def raw(self) -> bytes:
        return b"".join(self._piece(token) for token in self.tokens if token not in self._loaded.table.tokens.ends)

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "replace")


def write(matcher: LLMatcher, loaded: LoadedVocabulary, text: str) -> None:
    """Go on with the tokens of a text."""
    assert matcher.consume_tokens(tokens_of(loaded.pointer, text.encode())), text
