"""The follower beside llama.cpp: both permit the same tokens and ends, and llama.cpp accepts what completes a text."""

import codecs
import random
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.chat.grammars.json_schema import compile_json_schema, json_grammar
from g4run.chat.grammars.tool_calls import tool_call_grammar
from g4run.chat.messages import Tool
from g4run.engine.following.follower import Follower
from g4run.engine.following.stacks import TooAmbiguous
from g4run.engine.following.states import State
from g4run.engine.gbnf_check import read_grammar
from g4run.engine.llama.vocabulary import piece_of
from g4run.engine.sampling.grammar import Grammar
from g4run.engine.sampling.pieces import index_first_bytes
from tests.benchmarks.structured import SCHEMA
from tests.engine.following.random_grammars import grammars
from tests.engine.requests import DEMO
from tests.engine.sampling.sampler_chain import LoadedVocabulary
from tests.engine.test_grammar import CALL, JSON, KANA, KEYS

_MOST_SECONDS_A_TOKEN = 0.0005  # an unambiguous grammar takes microseconds

TOOLS = [Tool("find", "", {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]})]
GRAMMARS = {
    "json": JSON,
    "keys": KEYS,
    "kana": KANA,
    "named tokens": CALL,
    "any json": json_grammar(),
    "schema": compile_json_schema(SCHEMA),
    "calls": tool_call_grammar(TOOLS),
    "counts": 'root ::= ([a-c]{2,5} "é"? [^é]{0,3} ","){1,4} "."{3} "a"{0,300}',
    "groups": 'root ::= ("a" | ("b" | "c" ("d" | ))* "e"){2} ("x"{2}){2,} [] "" [^"]',
    "recursion": 'root ::= "(" root ")" root | "[" root "]" | "x"? ""',
    "surrogates": "root ::= [\\uD700-\\uE100]+ | [\\x01-\\x08]",
}


@pytest.fixture(scope="module")
def demo() -> Iterator[LoadedVocabulary]:
    loaded = LoadedVocabulary(DEMO)
    yield loaded
    loaded.close()


class Walk:
    """One answer, followed by both; tokens come from llama.cpp, at random."""

    def __init__(self, text: str, vocabulary: LoadedVocabulary, seed: int) -> None:
        self.judge = Grammar(text, vocabulary.pointer)
        self._text, self._vocabulary, self._random = text, vocabulary, random.Random(seed)
        read = read_grammar(text)
        self._ids = {name: int(name[2:-2]) if name[1] == "[" else vocabulary.token(name) for name in read.tokens}
        index = index_first_bytes(vocabulary.pointer, vocabulary.size)
        self._bytes, self.end = index.singles, int(index.ends[0])
        self._ends = frozenset(index.ends.tolist())
        self._barred = (self._ends | set(index.controls.tolist())) - set(self._ids.values())
        self.follower = Follower(read, self._ids, self.piece, self._ends)
        self.state: State | None = self.follower.begin()
        self.tokens: list[int] = []

    def piece(self, token: int) -> bytes:
        return piece_of(self._vocabulary.pointer, token)

    def step(self) -> bool:
        """Compare some tokens, and go on with one; False at the end."""
        assert self.state is not None
        assert self.state.may_end is self.judge.permits(self.end)
        permitted = set(self.judge.permitted(np.zeros(self._vocabulary.size, np.float32), None).tolist())
        permitted = {token for token in permitted if token not in self._ends and self._is_text(token)}
        self._compare(permitted)
        if not permitted:
            return False
        token = self._random.choice(sorted(permitted))
        self.judge.accept(token)
        self.tokens.append(token)
        self.state = self.follower.after(self.state, token)
        return True

    @property
    def is_slow(self) -> bool:
        """Whether llama.cpp, which keeps equal stacks apart, has so many that asking it about all tokens takes long."""
        started = time.thread_time()
        self.judge.permits(self._bytes[ord("a")])
        return self.judge.is_too_slow or time.thread_time() - started > _MOST_SECONDS_A_TOKEN

    def _is_text(self, token: int) -> bool:
        """Whether what is written stays a text: llama.cpp takes bytes that UTF-8 does not have for characters, too."""
        written = b"".join(map(self.piece, (*self.tokens, token)))
        try:
            codecs.getincrementaldecoder("utf-8")().decode(written)
        except UnicodeDecodeError:
            return False
        return True

    def _compare(self, permitted: set[int]) -> None:
        assert self.state is not None
        others = set(range(self._vocabulary.size)) - permitted - self._barred - self._ends
        for token in self._random.sample(sorted(permitted), min(20, len(permitted))):
            assert self.follower.after(self.state, token) is not None, self.piece(token)
        for token in self._random.sample(sorted(others), min(40, len(others))):
            found = self.follower.after(self.state, token)
            # llama.cpp refuses a part of a character where [^...] excludes another one that begins with it.
            assert found is None or found.partial is not None or self.state.partial is not None, self.piece(token)

    def complete(self) -> None:
        """Let llama.cpp accept the shortest end, byte by byte, from here."""
        assert self.state is not None
        parts = self.follower.completion(self.state)
        assert (parts is None) is (self.state.cost == float("inf"))
        if parts is None:
            return
        tokens = [token for part in parts for token in ([part] if isinstance(part, int) else self._spell(part))]
        assert len(tokens) == self.state.cost
        judge = Grammar(self._text, self._vocabulary.pointer)
        for token in (*self.tokens, *tokens):
            judge.accept(token)  # what is not permitted ends the process
        assert judge.permits(self.end)
        judge.close()

    def _spell(self, text: bytes) -> list[int]:
        return [self._bytes[byte] for byte in text]


@pytest.mark.parametrize("name", GRAMMARS)
def test_both_permit_the_same_and_every_end_is_accepted(name: str, demo: LoadedVocabulary) -> None:
    for seed in range(3):
        walk = Walk(GRAMMARS[name], demo, seed)
        for _ in range(25):
            walk.complete()
            if not walk.step():
                break
        walk.judge.close()


@settings(max_examples=150, derandomize=True)  # some grammars keep llama.cpp busy for hours; none of these does
@given(grammars(), st.integers(0, 2**32))
def test_random_grammars(text: str, seed: int) -> None:
    vocabulary = LoadedVocabulary(DEMO)
    with suppress(ValueError, TooAmbiguous):  # llama.cpp does not take some, and some are lost
        walk = Walk(text, vocabulary, seed)
        for _ in range(6):
            if walk.is_slow:
                break
            walk.complete()
            if not walk.step():
                break
        walk.judge.close()
    vocabulary.close()
