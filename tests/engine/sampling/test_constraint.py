"""Constrained decoding over the built-in model's vocabulary and, where it is given, over the real one."""

import json
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from g4run.engine.llama.vocabulary import piece_of
from g4run.engine.parameters import SamplingParameters
from g4run.engine.sampling.constraint import Constraint
from g4run.engine.sampling.draw import SamplerChain
from tests.engine.requests import DEMO
from tests.engine.sampling.constrained import Answer, each_vocabulary, lark_of
from tests.engine.sampling.sampler_chain import LoadedVocabulary

JSON = lark_of({"type": "object"})
KEYS = r"""start: "{" WS "\"émoji\"" WS ":" WS /[^é" ]+/ WS "}"
WS: /[ \n]{0,4}/
"""
KANA = "start: /[ぁ-ん]{1,3}/ /[^ぁ-ん]/ /./\n"
CALL = 'start: "ab" <|turn> "<"? "x" | <[9]>? "y"\n'
WALKS = (
    (JSON, '{\n  "name": "é日本😀\\n", "list": [1, -2.5, true]}'),
    (KEYS, '{ "émoji": 日本 }'),
    (KANA, "あいう日x"),
    (CALL, "ab<|turn><x"),
)
GREEDY = SamplingParameters(temperature=0)


@pytest.fixture(scope="module", params=["demo", "real"])
def loaded(request: pytest.FixtureRequest) -> Iterator[LoadedVocabulary]:
    yield from each_vocabulary(request)


@pytest.fixture(scope="module")
def demo() -> Iterator[LoadedVocabulary]:
    loaded = LoadedVocabulary(DEMO)
    yield loaded
    loaded.close()


class Walk:
    """One answer whose tokens are given."""

    def __init__(self, grammar: str, loaded: LoadedVocabulary) -> None:
        self.constraint = Constraint(grammar, loaded.table, partial(piece_of, loaded.pointer))
        self._size = loaded.size

    def permits(self, *wanted: int) -> bool:
        """Whether one of these can be drawn now, however unlikely it is."""
        row = np.full(self._size, -np.inf, np.float32)
        row[list(wanted)] = 0
        return self.draw(row) is not None

    def draw(
        self, row: "np.ndarray[tuple[int], np.dtype[np.float32]]", sampling: SamplingParameters = GREEDY
    ) -> int | None:
        chain = SamplerChain(sampling)
        drawn = chain.draw(row)
        token = self.constraint.draw(chain, row, int(np.argmax(row)) if drawn is None else drawn, None)
        chain.close()
        return token


@pytest.mark.parametrize(("text", "written"), WALKS)
def test_what_is_drawn_is_what_is_permitted_of_the_whole_vocabulary(
    text: str, written: str, loaded: LoadedVocabulary
) -> None:
    """The likeliest that is permitted by itself, after one that is not was drawn.

    Of two with one text either will do, and of forced text llguidance takes the usual tokens alone.
    """
    walk = Walk(text, loaded)
    row = np.random.default_rng(2).normal(0, 3, loaded.size).astype(np.float32)
    row[5::97] = -np.inf
    for number, token in enumerate(loaded.tokens(written)):
        assert walk.permits(token), piece_of(loaded.pointer, token)
        matcher = walk.constraint._matcher
        assert matcher is not None
        if loaded.size < 10_000 or number % 4 == 0:  # 262,144 tokens take 0.3 s
            permitted = [each for each in range(loaded.size) if matcher.validate_tokens([each])]
            likely = row.copy()
            likely[_others_with_a_text_of(permitted, loaded)] = -np.inf
            likely[0] = 99  # <pad>, which no grammar permits
            expected = max((each for each in permitted if likely[each] > -np.inf), key=likely.__getitem__, default=None)
            found = walk.draw(likely)
            assert found in permitted if matcher.deep_copy().compute_ff_bytes() else found == expected
        walk.constraint.accept(token)
    assert walk.permits(loaded.table.tokens.ends[0])
    assert walk.constraint.ended_by is None


def _others_with_a_text_of(tokens: list[int], loaded: LoadedVocabulary) -> list[int]:
    """Tokens whose text another one has, which is the one that llguidance takes: a character's, not a byte's."""
    of_text = {piece_of(loaded.pointer, token): token for token in tokens}
    return sorted(set(tokens) - set(of_text.values()) - set(loaded.table.tokens.ends))


def test_it_is_finished_where_only_an_end_may_follow(loaded: LoadedVocabulary) -> None:
    walk, seen = Walk('start: "a" " "?', loaded), []
    for token in (loaded.token("a"), loaded.token(" ")):
        seen.append((walk.constraint.is_finished, walk.permits(*loaded.table.tokens.ends)))
        assert walk.permits(token)
        walk.constraint.accept(token)
    assert seen == [(False, False), (False, True)]
    assert walk.constraint.is_finished
    assert not walk.permits(loaded.token("a"))
    assert walk.permits(loaded.table.tokens.ends[0])
    walk.constraint.accept(loaded.table.tokens.ends[0])
    assert walk.constraint.is_finished


def test_every_end_token_ends_an_answer(loaded: LoadedVocabulary) -> None:
    pieces = {piece_of(loaded.pointer, token) for token in loaded.table.tokens.ends}
    assert pieces == {b"<eos>", b"<turn|>", b"<|tool_response>"}
    for end in loaded.table.tokens.ends:
        walk = Walk('start: "a"+', loaded)
        assert not walk.permits(end)
        assert walk.permits(loaded.token("a"))
        walk.constraint.accept(loaded.token("a"))
        assert walk.permits(end)


def test_a_control_token_is_no_text(loaded: LoadedVocabulary) -> None:
    """Its text may be written in others, and itself come where it is named."""
    turn, quote = loaded.token("<|turn>"), loaded.token('<|"|>')
    text = Walk("start: /[^x]+/", loaded)
    assert not text.permits(turn, quote)
    for part in "<|turn>":
        assert text.permits(loaded.token(part))
        text.constraint.accept(loaded.token(part))
    assert not text.permits(turn)
    named = Walk("start: <|turn> | /[^x]+/", loaded)
    assert (named.permits(turn), named.permits(quote)) == (True, False)


def test_a_token_may_be_named_by_its_number(loaded: LoadedVocabulary) -> None:
    walk = Walk(f"start: <[{loaded.token('<|turn>')}]>", loaded)
    assert (walk.permits(loaded.token("<|turn>")), walk.permits(loaded.token("a"))) == (True, False)


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ("start: <[262145]>", "grammar, line 1, column 8: Token range end too large: 262145"),
        ("start: <nonsense>", "grammar: the model has no token <nonsense>"),
        ("start: ]", "grammar, line 1, column 8: expecting rule, token or statement (at \"]\" (']'))"),
        ('root: "a"', "grammar: no start rule found"),
    ],
)
def test_a_grammar_that_cannot_be_used_is_refused_at_the_first_draw(
    grammar: str, reason: str, loaded: LoadedVocabulary
) -> None:
    walk = Walk(grammar, loaded)
    assert walk.draw(np.zeros(loaded.size, np.float32)) is None
    assert (walk.constraint.ended_by, walk.constraint.refusal) == ("refused", reason)


def test_where_nothing_that_is_permitted_is_left_nothing_is_drawn(loaded: LoadedVocabulary) -> None:
    assert not Walk('start: "a"', loaded).permits(loaded.token("b"))
    assert not Walk("start: T\nT: /a/ & /b/", loaded).permits(loaded.token("a"), loaded.token("b"))


def test_a_grammar_that_gets_too_complex_fails(demo: LoadedVocabulary) -> None:
    """Ever more ways to read what is written: the parser's rows pass their bound."""
    ways = " | ".join(" ".join("a" * count) for count in range(2, 12))
    walk = Walk(f'start: a\na: "a" | {ways} | b a\nb: a b | "a" |', demo)
    for _ in range(200):
        assert walk.permits(demo.token("a"))
        walk.constraint.accept(demo.token("a"))
        if walk.constraint.ended_by is not None:
            break
    assert walk.constraint.ended_by == "failed"


def test_forced_tokens_are_those_that_the_text_has_in_a_prompt(loaded: LoadedVocabulary) -> None:
    schema = {"type": "object", "properties": {"description": {"const": 1}}, "required": ["description"]}
    lark = "start: %json " + json.dumps({**schema, "x-guidance": {"whitespace_flexible": False}})
    walk = Walk(lark, loaded)
    assert walk.constraint.forced_tokens() == []  # before it is compiled
    assert walk.permits(loaded.token("{"))
    forced = b"".join(piece_of(loaded.pointer, token) for token in walk.constraint.forced_tokens())
    assert b'{"description":1'.startswith(forced) and b'{"description"'.startswith(forced[:14])
    assert walk.constraint.forced_tokens() == loaded.tokens(forced.decode())


def test_text_that_spells_a_tag_is_forced_as_text(loaded: LoadedVocabulary) -> None:
    walk = Walk('start: "x" "<|tool_call>"', loaded)
    assert walk.permits(loaded.token("x"))
    walk.constraint.accept(loaded.token("x"))
    assert loaded.token("<|tool_call>") not in walk.constraint.forced_tokens()
    answer = Answer(loaded, 'start: "x" "<|tool_call>"', 40)
    assert answer.draw(40) and answer.text == "x<|tool_call>"
