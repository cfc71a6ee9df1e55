"""Answers that a limit or a loop ends are valid: a model draws at random from what llama.cpp permits."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.chat.grammars.json_schema import compile_json_schema, json_grammar
from g4run.chat.grammars.tool_calls import tool_call_grammar
from g4run.chat.messages import JsonValue, Tool
from g4run.chat.tools import parse_calls
from g4run.errors import UsageError
from tests.benchmarks.structured import SCHEMA
from tests.chat.grammars.schemas import schemas
from tests.chat.grammars.sentences import split_calls
from tests.engine.closed_answers import Answer, Tokens
from tests.engine.requests import DEMO

REAL = os.environ.get("G4RUN_TEST_VOCABULARY")
TOOL = Tool("find", "", {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]})


@pytest.fixture(scope="module", params=["demo", "real"])
def tokens(request: pytest.FixtureRequest) -> Iterator[Tokens]:
    if request.param == "real" and REAL is None:
        pytest.skip("G4RUN_TEST_VOCABULARY is not set")
    tokens = Tokens(DEMO if request.param == "demo" else Path(REAL or ""))
    yield tokens
    tokens.close()


@pytest.fixture(scope="module")
def demo() -> Iterator[Tokens]:
    tokens = Tokens(DEMO)
    yield tokens
    tokens.close()


def test_whatever_limit_there_is_room_for_the_answer_satisfies_its_schema(tokens: Tokens) -> None:
    grammar = compile_json_schema(SCHEMA)
    least = tokens.closing(grammar, None).needed
    assert least is not None
    for limit in range(least, least + 16):
        answer = Answer(tokens, grammar, limit, seed=limit)
        assert answer.draw(limit), answer.text
        jsonschema.validate(json.loads(answer.text), SCHEMA)
        assert answer.closing.is_closing
        answer.end()


@settings(max_examples=40)
@given(schemas(), st.integers(0, 2**32), st.integers(0, 60))
def test_random_schemas_under_random_limits(schema: JsonValue, seed: int, room: int) -> None:
    try:
        grammar = compile_json_schema(schema)
    except UsageError:  # a contradiction
        return
    tokens = Tokens(DEMO)
    least = tokens.closing(grammar, None).needed
    assert least is not None
    answer = Answer(tokens, grammar, least + room, seed)
    assert answer.draw(least + room), answer.text
    jsonschema.validate(json.loads(answer.text), schema)
    answer.end()
    tokens.close()


def test_a_limit_that_is_too_small_changes_nothing(tokens: Tokens) -> None:
    grammar = compile_json_schema(SCHEMA)
    least = tokens.closing(grammar, None).needed
    assert least is not None
    held = Answer(tokens, grammar, least - 1, seed=5)
    free = Answer(tokens, grammar, None, seed=5)
    assert (held.draw(least), free.draw(least)) == (False, False)
    assert (held.tokens, held.closing.is_closing) == (free.tokens, False)
    held.end()
    free.end()


def test_a_limit_that_is_not_reached_changes_nothing(demo: Tokens) -> None:
    grammar = 'root ::= ("a" | "b" | "c"){20} "."'
    answer = Answer(demo, grammar, 22, seed=5)
    assert answer.draw(22)
    assert not answer.closing.is_closing
    answer.end()


def test_the_drawn_token_is_taken_as_long_as_an_end_fits(demo: Tokens) -> None:
    """Bytes are more than tokens: what fits only by its tokens is taken, too."""
    word = max((demo.piece(token).decode() for token in range(400, 600)), key=len)
    grammar = f'root ::= "x"* "!{word}{word}"'
    end = demo.tokenize(f"!{word}{word}".encode())
    assert 3 <= len(end) < len(word)
    letter = demo.loaded.token("x")
    answer = Answer(demo, grammar, len(end) + 4, liked=[letter])
    assert answer.draw(len(end) + 4)
    assert answer.text == f"xxx!{word}{word}"
    answer.end()


def test_a_long_end_is_counted_in_tokens_too(tokens: Tokens) -> None:
    text = "and so on, " * 60
    grammar = f'root ::= "x"* "!" "{text}"'
    needed = tokens.closing(grammar, None).needed
    assert needed is not None and needed < len(text) - 100
    answer = Answer(tokens, grammar, needed + 3, liked=[tokens.loaded.token("x")])
    assert answer.draw(needed + 3)
    assert answer.text in ("xxx!" + text, "xx!" + text)  # each rule's rest is counted by itself
    answer.end()


def test_an_end_token_is_taken_wherever_the_grammar_may_end(demo: Tokens) -> None:
    closing = demo.closing('root ::= "a"+ ("b"{30})?', 50)
    letter = demo.loaded.token("a")
    closing.accept(letter)
    assert closing.choose(demo.ends[1]) == demo.ends[1]
    closing.accept(demo.ends[1])
    assert not closing.is_closing


def test_the_last_token_is_an_end_token(demo: Tokens) -> None:
    letter = demo.loaded.token("a")
    closing = demo.closing('root ::= "a"+', 3)
    assert closing.needed == 2
    seen = []
    for _ in range(3):
        seen.append((closing.choose(letter), closing.is_closing))
        closing.accept(seen[-1][0])
    assert seen == [(letter, False), (letter, False), (demo.ends[0], True)]


def test_a_loop_is_closed_by_the_shortest_end(tokens: Tokens) -> None:
    grammar = compile_json_schema(SCHEMA)
    answer = Answer(tokens, grammar, None, seed=1)
    assert not answer.draw(40)
    assert not answer.closing.is_closing
    needed = answer.closing.needed
    assert answer.closing.close()
    assert needed is not None and answer.draw(needed)
    jsonschema.validate(json.loads(answer.text), SCHEMA)
    answer.end()


def test_a_loop_that_cannot_be_closed_within_the_limit_is_not(demo: Tokens) -> None:
    closing = demo.closing('root ::= "a"* "bbbbbbbbbb"', 5)
    assert not closing.close()
    assert closing.choose(demo.loaded.token("a")) == demo.loaded.token("a")


def test_a_limit_may_be_set_later(demo: Tokens) -> None:
    letter = demo.loaded.token("a")
    closing = demo.closing('root ::= "a"+', None)
    for _ in range(9):
        assert closing.choose(letter) == letter
        closing.accept(letter)
    closing.limit_to(2)
    assert closing.choose(letter) == letter
    closing.accept(letter)
    assert closing.choose(letter) == demo.ends[0]


def test_an_ambiguous_grammar_is_left_alone(demo: Tokens) -> None:
    """Each character doubles the ways to read what is written."""
    letter = demo.loaded.token("x")
    closing = demo.closing('root ::= "x" root "a" | "x" root "b" | "y"', 40)
    for _ in range(50):
        assert closing.choose(letter) == letter
        closing.accept(letter)
    assert (closing.is_closing, closing.close(), closing.needed) == (False, False, None)


def test_a_grammar_that_never_ends_is_left_alone(demo: Tokens) -> None:
    closing = demo.closing('root ::= "a" root', 3)
    letter = demo.loaded.token("a")
    for _ in range(9):
        assert closing.choose(letter) == letter
        closing.accept(letter)
    assert not closing.close()


def test_a_token_into_a_dead_end_is_not_taken(demo: Tokens) -> None:
    closing = demo.closing('root ::= "a" | "b" dead\ndead ::= "x" dead', 9)
    assert closing.choose(demo.loaded.token("b")) == demo.loaded.token("a")


@pytest.mark.parametrize("text", ["日本", "▁a▁", "\u0301é", "😀", "\x01\r\n", "<|turn>"])
def test_any_text_is_written(text: str, tokens: Tokens) -> None:
    """Some characters have no token, one becomes another in a prompt, and a control token's text is no such token."""
    grammar = f'root ::= "x"* "{text}"'
    letter = tokens.loaded.token("x")
    needed = tokens.closing(grammar, None).needed
    assert needed is not None
    for spare in (0, 1):
        answer = Answer(tokens, grammar, needed + spare, liked=[letter])
        assert answer.draw(needed + spare)
        assert answer.text == "x" * spare + text
        answer.end()


def test_a_character_that_the_model_began_is_completed(tokens: Tokens) -> None:
    written = [tokens.of_bytes[byte] for byte in "旗".encode()]
    for limit, text in ((5, "旗."), (7, "旗."), (8, "旗旗."), (11, "旗旗旗.")):
        answer = Answer(tokens, "root ::= [\u65d0-\u6600]+ [.]", limit, liked=written)
        assert answer.draw(limit)
        assert answer.text == text
        answer.end()


def test_only_the_rest_of_a_character_is_written_in_bytes(tokens: Tokens) -> None:
    closing = tokens.closing('root ::= "旗and so on"', None)
    closing.accept(tokens.of_bytes[0xE6])
    assert closing.needed == 2 + len(tokens.tokenize(b"and so on")) + 1


def test_calls_are_closed(tokens: Tokens) -> None:
    grammar = tool_call_grammar([TOOL])
    least = tokens.closing(grammar, None).needed
    assert least is not None
    assert least == 6 + len(tokens.tokenize(b"call:find{what:"))
    for limit in range(least, least + 15):
        answer = Answer(tokens, grammar, limit, seed=limit)
        assert answer.draw(limit), answer.text
        for call in split_calls(answer.text):
            parsed = parse_calls(call)
            assert parsed is not None and parsed.is_complete and isinstance(parsed.calls[0].arguments["what"], str)
        answer.end()


@pytest.mark.parametrize(
    ("grammar", "texts", "most"),
    [
        ('root ::= item ("," item)*\nitem ::= [a-z]{1,8}', ["a,", "bc,", "def,"], 30_000),
        ('root ::= item | item "," root\nitem ::= [a-z]+', ["a,", "bc,", "def,"], 30_000),
        ('root ::= ([a-z]{0,2000} ","){0,2000}', [*"abcdefghijklmno", "defg", ","], 9 << 20),
    ],
)
def test_ten_thousand_tokens_do_not_grow(grammar: str, texts: list[str], most: int, demo: Tokens) -> None:
    """Neither the stack nor what is remembered: lists that go on, and counts that never repeat a state."""
    closing = demo.closing(grammar, None)
    drawn = random.Random(3)
    for _ in range(10_000):
        for token in demo.tokenize(drawn.choice(texts).encode()):
            closing.accept(token)
    assert closing.needed in (1, 2)
    assert closing.size_bytes < most


def test_any_json_is_closed_from_any_depth(tokens: Tokens) -> None:
    grammar = json_grammar()
    for limit in (3, 10, 50, 200):
        answer = Answer(tokens, grammar, limit, seed=limit)
        assert answer.draw(limit)
        assert isinstance(json.loads(answer.text), dict)
        answer.end()
