"""Whatever a grammar permits satisfies its schema: asked of sentences drawn at random, and of another validator."""

import json

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.chat.grammars.json_schema import compile_json_schema, json_grammar
from g4run.chat.grammars.scalars import Contradiction
from g4run.chat.grammars.tool_calls import tool_call_grammar
from g4run.chat.messages import JsonValue, Tool
from g4run.chat.tools import parse_calls
from g4run.errors import UsageError
from tests.chat.grammars.schemas import schemas
from tests.chat.grammars.sentences import Sentences, split_calls


def validator(schema: JsonValue) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


@settings(max_examples=80, deadline=None)
@given(schemas(), st.integers(0, 2**32))
def test_every_json_text_satisfies_its_schema(schema: JsonValue, seed: int) -> None:
    try:
        grammar = compile_json_schema(schema)
    except UsageError as error:
        assert is_contradiction(error), error.message
        return
    sentences = Sentences(grammar, seed)
    for _ in range(8):
        text = sentences.draw()
        validator(schema).validate(json.loads(text))


@settings(max_examples=80, deadline=None)
@given(schemas(), st.integers(0, 2**32))
def test_every_call_reads_back_and_satisfies_its_schema(schema: JsonValue, seed: int) -> None:
    parameters: dict[str, JsonValue] = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
    try:
        grammar = tool_call_grammar([Tool("get.it-2", "", parameters), Tool("stop")])
    except UsageError as error:
        assert is_contradiction(error), error.message
        return
    sentences = Sentences(grammar, seed)
    for _ in range(8):
        for text in split_calls(sentences.draw()):
            parsed = parse_calls(text)
            assert parsed is not None and parsed.is_complete and not parsed.rest
            (call,) = parsed.calls
            if call.name == "stop":
                assert call.arguments == {}
            else:
                assert call.name == "get.it-2"
                validator(parameters).validate(call.arguments)


def is_contradiction(error: UsageError) -> bool:
    """Whether random schemas may earn an error: they contradict themselves, or their patterns of names overlap."""
    words = ("no value can satisfy", "cannot be written", "patterns of which several fit one name")
    return isinstance(error, Contradiction) or any(each in error.message for each in words)


def test_json_mode_gives_objects() -> None:
    sentences = Sentences(json_grammar(), seed=5)
    for _ in range(300):
        assert isinstance(json.loads(sentences.draw()), dict)
