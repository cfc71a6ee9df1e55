"""Grammars over the built-in model's vocabulary and, where it is given, over the real one."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from g4run.engine.llama.vocabulary import piece_of
from g4run.engine.sampling.grammar import Grammar
from g4run.engine.sampling.pieces import index_first_bytes
from tests.engine.requests import DEMO
from tests.engine.sampling.sampler_chain import LoadedVocabulary
from tests.fakes.gguf_files import gemma4_file

REAL = os.environ.get("G4RUN_TEST_VOCABULARY")
JSON = r"""root ::= object
value ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}" ws
array ::= "[" ws (value ("," ws value)*)? "]" ws
string ::= "\"" ([^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws
number ::= "-"? ([0-9] | [1-9] [0-9]{0,15}) ("." [0-9]+)? ws
ws ::= | " " | "\n" [ \t]{0,20}
"""
KEYS = r"""root ::= "{" ws "\"émoji\"" ws ":" ws [^é"]+ ws "}"
ws ::= [ \n]{0,4}
"""
KANA = "root ::= [ぁ-ん]{1,3} [^ぁ-ん] .\n"
CALL = 'root ::= "ab" <|turn> [<]? "x" | <[9]>? "y"\n'
WALKS = (
    (JSON, '{\n  "name": "é日本😀\\n", "list": [1, -2.5, true]}'),
    (KEYS, '{ "émoji": 日本 x}'),
    (KANA, "あいう日x"),
    (CALL, "ab<|turn><x"),
)


@pytest.fixture(scope="module", params=["demo", "real"])
def loaded(request: pytest.FixtureRequest) -> Iterator[LoadedVocabulary]:
    if request.param == "real" and REAL is None:
        pytest.skip("G4RUN_TEST_VOCABULARY is not set")
    loaded = LoadedVocabulary(DEMO if request.param == "demo" else Path(REAL or ""))
    yield loaded
    loaded.close()


@pytest.mark.parametrize(("text", "walk"), WALKS)
def test_what_is_permitted_is_what_llama_cpp_permits_of_the_whole_vocabulary(
    text: str, walk: str, loaded: LoadedVocabulary
) -> None:
    grammar = Grammar(text, loaded.pointer)
    logits = np.random.default_rng(2).normal(0, 3, loaded.size).astype(np.float32)
    logits[5::97] = -np.inf
    tokens = loaded.tokens(walk)
    for number, token in enumerate(tokens):
        if loaded.size < 10_000 or number % 4 == 0:  # a test of 262,144 tokens takes 0.2 s
            whole = np.array([logits[each] > -np.inf for each in range(loaded.size)])
            whole[np.flatnonzero(whole)] = grammar._test(np.flatnonzero(whole))
            assert np.array_equal(grammar.permitted(logits, None), np.flatnonzero(whole))
            ranked = np.flatnonzero(whole)[np.argsort(-logits[whole], kind="stable")]
            for enough in (1, 64):
                assert np.array_equal(grammar.permitted(logits, enough), ranked[:enough])
        assert grammar.permits(token), piece_of(loaded.pointer, token)
        grammar.accept(token)
    assert grammar.permits(int(index_first_bytes(loaded.pointer, loaded.size).ends[0]))
    grammar.close()


def test_it_is_finished_where_only_an_end_may_follow(loaded: LoadedVocabulary) -> None:
    grammar = Grammar('root ::= "a" " "?', loaded.pointer)
    seen = []
    for token in (loaded.token("a"), loaded.token(" ")):
        seen.append((grammar.is_finished, grammar.permits(loaded.token("<turn|>"))))
        grammar.accept(token)
    assert seen == [(False, False), (False, True)]
    assert grammar.is_finished
    ends = index_first_bytes(loaded.pointer, loaded.size).ends
    assert np.array_equal(grammar.permitted(np.zeros(loaded.size, np.float32), None), ends)
    grammar.accept(int(ends[0]))
    assert grammar.is_finished
    grammar.close()


def test_a_token_that_the_grammar_names_is_permitted_only_where_llama_cpp_can_accept_it(
    loaded: LoadedVocabulary,
) -> None:
    """llama.cpp lets a named token pass after a part of its own text, and then throws through the C API."""
    turn = loaded.token("<|turn>")
    after_its_text = Grammar('root ::= "<|" <|turn>', loaded.pointer)
    assert not after_its_text.permits(turn)
    for token in loaded.tokens("<|"):
        after_its_text.accept(token)
    assert after_its_text.permits(turn)
    after_its_text.accept(turn)
    assert after_its_text.is_finished
    after_its_text.close()


def test_a_control_token_is_no_text(loaded: LoadedVocabulary) -> None:
    """Its text may be written in others, and itself come where it is named."""
    turn, quote = loaded.token("<|turn>"), loaded.token('<|"|>')
    zeros = np.zeros(loaded.size, np.float32)
    text = Grammar("root ::= [^x]+", loaded.pointer)
    seen = [(text.permits(turn), text.permits(quote), bool(np.isin([turn, quote], text.permitted(zeros, None)).any()))]
    for part in "<|turn>":
        text.accept(loaded.token(part))
    assert (seen, text.permits(turn)) == ([(False, False, False)], False)
    text.close()
    named = Grammar("root ::= <|turn> | [^x]+", loaded.pointer)
    assert (named.permits(turn), named.permits(quote)) == (True, False)
    assert np.isin([turn, quote], named.permitted(zeros, None)).tolist() == [True, False]
    named.close()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("root ::= <[262145]>", "grammar: the model has no token <[262145]>"),
        ("root ::= <no such token>", "grammar: the model has no token <no such token>"),
        ('root ::= ("a"{100}){1,100} ("b"?){50,60}{40}', "grammar: number of rules that are going to be repeated "),
        ('root ::= ("" | "a")* "b"', "grammar: "),
    ],
)
def test_what_only_llama_cpp_refuses_comes_with_its_reason(text: str, reason: str, loaded: LoadedVocabulary) -> None:
    with pytest.raises(ValueError) as caught:
        Grammar(text, loaded.pointer)
    assert str(caught.value).startswith(reason)


def test_pieces_are_indexed_by_their_first_bytes(loaded: LoadedVocabulary) -> None:
    index = index_first_bytes(loaded.pointer, loaded.size)
    pieces = [piece_of(loaded.pointer, token) for token in range(loaded.size)]
    expected = sorted(range(loaded.size), key=lambda token: pieces[token][:2].ljust(2, b"\0"))
    assert index.tokens.tolist() == expected
    for byte in (0x20, 0x3C, 0xFF):
        assert index.beginning(byte).tolist() == [token for token in expected if pieces[token][:1] == bytes([byte])]
    assert set(index.beginning_with_pair(0x20, 0x61).tolist()) == {
        token for token in expected if pieces[token].startswith(b" a")
    }
    assert all(pieces[token] == bytes([byte]) for byte, token in index.singles.items())
    assert [pieces[token] for token in index.ends] == [b"<eos>", b"<|tool_response>", b"<turn|>"]


@pytest.mark.parametrize(
    ("text", "other"),
    [(b"<0xFF>", b"<0xF >"), ("▁w1530".encode(), b"\xffabcdefg"), ("▁w1530".encode(), b"abcdef\xff\xff")],
    ids=["without the separator's byte", "one token begins with it", "one token ends with it twice"],
)
def test_pieces_that_no_separator_takes_apart_are_indexed_too(text: bytes, other: bytes, tmp_path: Path) -> None:
    file = gemma4_file()
    texts = file.entries["tokenizer.ggml.tokens"]
    assert texts.count(text) == 1
    texts = texts.replace(text, other)
    odd = LoadedVocabulary(file.having("tokenizer.ggml.tokens", texts).write(tmp_path / "odd.gguf"))
    pieces = [piece_of(odd.pointer, token) for token in range(odd.size)]
    expected = sorted(range(odd.size), key=lambda token: pieces[token][:2].ljust(2, b"\0"))
    index_first_bytes.cache_clear()  # llama.cpp may put one vocabulary where another was
    assert index_first_bytes(odd.pointer, odd.size).tokens.tolist() == expected
    odd.close()
