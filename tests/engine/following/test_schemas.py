"""Whatever a schema's grammar permits can be cut anywhere: what is written and its shortest end satisfy the schema."""

import json
import random

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.chat.grammars.json_schema import compile_json_schema, json_grammar
from g4run.chat.grammars.tool_calls import tool_call_grammar
from g4run.chat.messages import JsonValue, Tool
from g4run.chat.tools import parse_calls
from g4run.engine.following.follower import Follower
from g4run.engine.following.states import State
from g4run.engine.gbnf_check import read_grammar
from g4run.errors import UsageError
from tests.benchmarks.structured import SCHEMA
from tests.chat.grammars.cases import TREE
from tests.chat.grammars.schemas import schemas
from tests.chat.grammars.sentences import Sentences, split_calls

TAGS = ["<|tool_call>", "<tool_call|>", '<|"|>']


def piece(token: int) -> bytes:
    return TAGS[token].encode()


def every_end(grammar: str, text: str) -> list[str]:
    """For each place in a text, what stands before it and the shortest end; the text's bytes are cut, too."""
    follower, state = begin(grammar)
    raw = text.encode()
    found = [end_of(follower, state, b"")]
    for place in range(len(raw)):
        following = follower.write(state, raw[place : place + 1])
        assert following is not None, raw[: place + 1]
        state = following
        found.append(end_of(follower, state, raw[: place + 1]))
    return found


def begin(grammar: str) -> tuple[Follower, State]:
    read = read_grammar(grammar)
    follower = Follower(read, {name: TAGS.index(name) for name in read.tokens}, piece)
    return follower, follower.begin()


def end_of(follower: Follower, state: State, written: bytes) -> str:
    parts = follower.completion(state)
    assert parts is not None
    assert sum(1 if isinstance(part, int) else len(part) for part in parts) == state.cost
    return (written + b"".join(piece(part) if isinstance(part, int) else part for part in parts)).decode()


def validator(schema: JsonValue) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


@settings(max_examples=40)
@given(schemas(), st.integers(0, 2**32))
def test_every_beginning_of_a_json_text_ends_as_its_schema_asks(schema: JsonValue, seed: int) -> None:
    try:
        grammar = compile_json_schema(schema)
    except UsageError:  # a contradiction
        return
    sentences = Sentences(grammar, seed)
    for _ in range(2):
        text = sentences.draw()
        for ended in set(every_end(grammar, text)):
            validator(schema).validate(json.loads(ended))


@pytest.mark.parametrize(
    ("schema", "shortest"),
    [
        (SCHEMA, '{"name":"","age":0,"tags":[],"address":{}}'),
        (TREE, '{"name":""}'),
        ({"type": "string", "format": "date-time"}, '"0001-01-01T00:00:00Z"'),
        ({"type": "string", "minLength": 3}, '"aaa"'),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, "[true,true]"),
        ({"type": "string", "maxLength": 5000}, '""'),
    ],
)
def test_the_shortest_answer(schema: JsonValue, shortest: str) -> None:
    follower, state = begin(compile_json_schema(schema))
    assert end_of(follower, state, b"") == shortest


def test_json_in_json_in_json() -> None:
    for ended in every_end(
        json_grammar(), '{"a": [{"b": [[-1.5e2, "é日😀\\u00e9\\ud83d\\ude00"], true, null]}], "c": {}}'
    ):
        assert isinstance(json.loads(ended), dict)


@settings(max_examples=20)
@given(schemas(), st.integers(0, 2**32))
def test_every_beginning_of_a_call_ends_as_a_call(schema: JsonValue, seed: int) -> None:
    parameters: dict[str, JsonValue] = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
    try:
        grammar = tool_call_grammar([Tool("get", "", parameters), Tool("stop")])
    except UsageError:
        return
    follower, start = begin(grammar)
    text = Sentences(grammar, seed).draw()
    state, rest = start, text
    while rest:
        tag = next((each for each in TAGS if rest.startswith(each) and text != rest[: -len(each)]), None)
        following = None if tag is None else follower.after(state, TAGS.index(tag))
        if tag is None or following is None:
            tag, following = rest[0], follower.write(state, rest[0].encode())
        assert following is not None
        state, rest = following, rest[len(tag) :]
        for call in split_calls(end_of(follower, state, text[: len(text) - len(rest)].encode())):
            parsed = parse_calls(call)
            assert parsed is not None and parsed.is_complete and not parsed.rest
            if parsed.calls[0].name == "get":
                validator(parameters).validate(parsed.calls[0].arguments)


def test_deep_nesting() -> None:
    """As deep as a model may go, and further than Python recurses."""
    depth = 5000
    follower, state = begin('root ::= "[" (root ("," root)*)? "]" | "{" root "}"')
    brackets = random.Random(3).choices("[{", k=depth)
    following = follower.write(state, "".join(brackets).encode())
    assert following is not None
    inner = b"" if brackets[-1] == "[" else b"[]"
    closing = inner + "".join("]" if each == "[" else "}" for each in reversed(brackets)).encode()
    assert follower.completion(following) == (closing,)
