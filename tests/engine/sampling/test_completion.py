"""Answers that a limit or a loop ends are valid: a model draws at random from what a grammar permits."""

import json
from collections.abc import Iterator

import jsonschema
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from g4run.chat.messages import JsonValue
from g4run.chat.structured_output.json_schema import compile_json_schema
from g4run.chat.tools import parse_calls
from g4run.engine.llama.vocabulary import piece_of, tokens_of
from g4run.engine.sampling.completion import Completion
from g4run.errors import UsageError
from tests.benchmarks.structured import SCHEMA
from tests.chat.structured_output.schemas import schemas
from tests.engine.requests import DEMO
from tests.engine.sampling.constrained import Answer, each_vocabulary, ending, lark_of, least, matcher_of, write
from tests.engine.sampling.sampler_chain import LoadedVocabulary

GRAMMAR = compile_json_schema(SCHEMA)
CALLS = r"""start: call{1,9}
call: <|tool_call> "call:find{what:" text ("," pair)* "}" <tool_call|>
pair: /[a-z]{1,9}/ ":" (text | /[0-9]{1,9}/)
text: <|"|> /[^<]*/ <|"|>
"""


@pytest.fixture(scope="module", params=["demo", "real"])
def loaded(request: pytest.FixtureRequest) -> Iterator[LoadedVocabulary]:
    yield from each_vocabulary(request)


@pytest.fixture(scope="module")
def demo() -> Iterator[LoadedVocabulary]:
    loaded = LoadedVocabulary(DEMO)
    yield loaded
    loaded.close()


def test_whatever_limit_there_is_room_for_the_answer_satisfies_its_schema(loaded: LoadedVocabulary) -> None:
    needed = least(loaded, GRAMMAR)
    reasons = set()
    for limit in range(needed, needed + 16):
        answer = Answer(loaded, GRAMMAR, limit, seed=limit)
        assert answer.draw(limit), answer.text
        jsonschema.validate(json.loads(answer.text), SCHEMA)
        reasons.add(answer.constraint.ended_by)
    assert "length" in reasons <= {"length", None}


@settings(max_examples=60)
@given(schemas(), st.integers(0, 2**32), st.integers(0, 60))
def test_random_schemas_under_random_limits(demo: LoadedVocabulary, schema: JsonValue, seed: int, room: int) -> None:
    assume('"allOf"' not in json.dumps(schema))  # patterns that exclude each other are noticed while decoding only
    try:
        grammar = compile_json_schema(schema)
    except UsageError:  # a contradiction
        return
    limit = least(demo, grammar) + room
    answer = Answer(demo, grammar, limit, seed)
    assert answer.draw(limit), answer.text
    jsonschema.validate(json.loads(answer.text), schema)


@settings(max_examples=60)
@given(schemas(), st.integers(0, 2**32))
def test_random_schemas_cut_at_every_point(demo: LoadedVocabulary, schema: JsonValue, seed: int) -> None:
    assume('"allOf"' not in json.dumps(schema))  # patterns that exclude each other are noticed while decoding only
    try:
        grammar = compile_json_schema(schema)
    except UsageError:
        return
    matcher, random, text = matcher_of(demo, grammar), np.random.default_rng(seed), b""
    while not matcher.is_stopped() and len(text) < 100:
        found = ending(demo, matcher, grammar)
        assert found is not None, text
        whole = text + b"".join(piece_of(demo.pointer, token) for token in found)
        jsonschema.validate(json.loads(whole), schema)
        bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        permitted = np.flatnonzero(np.unpackbits(bits, count=demo.size, bitorder="little"))
        token = int(random.choice(permitted))
        matcher.consume_token(token)
        text += piece_of(demo.pointer, token)


def test_a_limit_that_is_too_small_changes_nothing(loaded: LoadedVocabulary) -> None:
    limit = 9
    cut, free = Answer(loaded, GRAMMAR, limit, seed=5), Answer(loaded, GRAMMAR, None, seed=5)
    assert (cut.draw(limit), free.draw(limit)) == (False, False)
    assert (cut.tokens, cut.constraint.ended_by) == (free.tokens, None)


def test_a_limit_that_is_not_reached_changes_nothing(demo: LoadedVocabulary) -> None:
    answer = Answer(demo, 'start: ("a" | "b" | "c"){20} "."', 22, seed=5)
    assert answer.draw(22)
    assert answer.constraint.ended_by is None


def test_the_drawn_token_is_taken_as_long_as_an_ending_fits(demo: LoadedVocabulary) -> None:
    """Bytes are more than tokens: what fits only by its tokens is taken, too."""
    word = max((piece_of(demo.pointer, token).decode() for token in range(400, 600)), key=len)
    end = demo.tokens(f"!{word}{word}")
    assert 3 <= len(end) < len(word)
    answer = Answer(demo, f'start: "x"* "!{word}{word}"', len(end) + 4, liked=[demo.token("x")])
    assert answer.draw(len(end) + 4)
    assert answer.text == f"xxxx!{word}{word}"


def test_a_long_ending_is_counted_in_tokens_too(loaded: LoadedVocabulary) -> None:
    text = "and so on, " * 60
    grammar = f'start: "x"* "!" "{text}"'
    needed = least(loaded, grammar)
    assert needed < len(text) - 100
    answer = Answer(loaded, grammar, needed + 3, liked=[loaded.token("x")])
    assert answer.draw(needed + 3)
    assert answer.text == "xxx!" + text


def test_an_end_token_is_taken_wherever_the_grammar_may_end(demo: LoadedVocabulary) -> None:
    matcher, completion = matcher_of(demo, 'start: "a"+ ("b"{30})?'), Completion(demo.table.tokens, "")
    write(matcher, demo, "a")
    for end in demo.table.tokens.ends:
        assert completion.choose(matcher, end, 50) == end
    assert not completion.has_intervened


def test_an_answer_that_may_end_at_its_limit_needs_no_end_token(demo: LoadedVocabulary) -> None:
    answer = Answer(demo, 'start: "a"+', 3, liked=[demo.token("a")])
    assert answer.draw(3)
    assert (answer.text, answer.constraint.ended_by) == ("aaa", None)


def test_an_answer_that_only_may_end_now_does(demo: LoadedVocabulary) -> None:
    answer = Answer(demo, 'start: "a"+ ("c" "b"{30})?', 9, liked=[demo.token("c")])
    assert answer.draw(2)
    assert (answer.text, answer.constraint.ended_by) == ("a", "length")


def test_an_ending_that_does_not_fit_is_none(demo: LoadedVocabulary) -> None:
    matcher = matcher_of(demo, 'start: "a"* "bbbbbbbbbb"')
    assert ending(demo, matcher, most=1) is None
    letter = demo.token("a")
    assert Completion(demo.table.tokens, "").choose(matcher, letter, 2) == letter


def test_an_ambiguous_grammar_is_completed(demo: LoadedVocabulary) -> None:
    """Each character doubles the ways to read what is written."""
    matcher = matcher_of(demo, 'start: "x" start "a" | "x" start "b" | "y"')
    for _ in range(50):
        matcher.consume_token(demo.token("x"))
    found = ending(demo, matcher)
    assert found is not None and matcher.consume_tokens(found) and matcher.is_accepting()


def test_a_grammar_that_never_ends_is_left_alone(demo: LoadedVocabulary) -> None:
    answer = Answer(demo, 'start: a\na: "a" a', 9)
    assert not answer.draw(9)
    assert ending(demo, matcher_of(demo, 'start: a\na: "a" a')) is None


def test_a_token_into_a_dead_end_is_not_taken(demo: LoadedVocabulary) -> None:
    grammar = 'start: "a" | "b" dead\ndead: "x" dead'
    answer = Answer(demo, grammar, 9, liked=[demo.token("b")])
    assert answer.draw(9)
    assert answer.text == "a"


@pytest.mark.parametrize("text", ["日本", "▁a▁", "\u0301é", "😀", "\x01\r\n", "<|turn>"])
def test_any_text_is_written(text: str, loaded: LoadedVocabulary) -> None:
    """Some characters have no token, one becomes another in a prompt, and a control token's text is no such token."""
    grammar = f'start: "x"* {json.dumps(text)}'
    needed = least(loaded, grammar)
    for spare in (0, 1):
        answer = Answer(loaded, grammar, needed + spare, liked=[loaded.token("x")])
        assert answer.draw(needed + spare)
        assert answer.text.lstrip("x") == text


def test_a_character_that_the_model_began_is_completed(loaded: LoadedVocabulary) -> None:
    written = [loaded.table.tokens.bytes[byte] for byte in "旗".encode()]
    for limit, text in ((4, "旗."), (6, "旗."), (7, "旗旗."), (10, "旗旗旗.")):
        answer = Answer(loaded, "start: /[\u65d0-\u6600]+[.]/", limit, liked=written)
        assert answer.draw(limit)
        assert answer.text == text


def test_calls_are_completed(loaded: LoadedVocabulary) -> None:
    needed = least(loaded, CALLS)
    assert needed <= 6 + len(tokens_of(loaded.pointer, b"call:find{what:"))
    for limit in range(needed, needed + 15):
        answer = Answer(loaded, CALLS, limit, seed=limit)
        assert answer.draw(limit), answer.text
        for call in answer.text.replace("<tool_call|>", "").split("<|tool_call>")[1:]:
            parsed = parse_calls(call)
            assert parsed is not None and parsed.is_complete and isinstance(parsed.calls[0].arguments["what"], str)


def test_any_json_is_completed_from_any_depth(loaded: LoadedVocabulary) -> None:
    for limit in (3, 10, 50, 200):
        answer = Answer(loaded, lark_of({"type": "object"}), limit, seed=limit)
        assert answer.draw(limit)
        assert isinstance(json.loads(answer.text), dict)


@pytest.mark.parametrize(
    ("grammar", "expected"),
    [
        ("start: /[0-9]*[a-f]z/", "az"),
        (r'start: /"[^"]*[0-9]{3}-[0-9]{2}\.(jpe?g|png)"/', '"000-00.jpg"'),
        ('start: ("x" | "y" start "z")', "x"),
        ('start: /[a-z]+@[a-z]+[.]org/ ";"', "a@b.org;"),
        ("start: /[ぁ-ん]{3}/", "あぃむ"),
    ],
)
def test_an_ending_is_found_where_nothing_closes(grammar: str, expected: str, demo: LoadedVocabulary) -> None:
    found = ending(demo, matcher_of(demo, grammar), grammar)
    assert found is not None
    assert b"".join(piece_of(demo.pointer, token) for token in found).decode() == expected
