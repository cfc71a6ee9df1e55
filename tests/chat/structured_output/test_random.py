"""Whatever a grammar permits satisfies its schema: asked of texts drawn at random, and of another validator."""

import json

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.chat.messages import JsonValue, Tool
from g4run.chat.structured_output.json_schema import ANY_OBJECT, compile_json_schema
from g4run.chat.structured_output.keywords import Contradiction
from g4run.chat.structured_output.tool_calls import tool_call_grammar
from g4run.chat.tokens import TOOL_CALL_CLOSE, TOOL_CALL_OPEN
from g4run.chat.tools import parse_calls
from g4run.errors import UsageError
from tests.chat.structured_output.matching import Walker
from tests.chat.structured_output.schemas import schemas


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
    for text in Walker(grammar, seed).texts(8):
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
    for written in Walker(grammar, seed).texts(8):
        for text in split_calls(written):
            parsed = parse_calls(text)
            assert parsed is not None and parsed.is_complete and not parsed.rest
            (call,) = parsed.calls
            if call.name == "stop":
                assert call.arguments == {}
            else:
                assert call.name == "get.it-2"
                validator(parameters).validate(call.arguments)


def is_contradiction(error: UsageError) -> bool:
    """Whether random schemas may earn an error: they contradict themselves."""
    words = ("no value can satisfy", "cannot be written")
    return isinstance(error, Contradiction) or any(each in error.message for each in words)


def split_calls(written: str) -> list[str]:
    """What stands between the tags of each call; fails where anything stands outside."""
    calls = written.split(TOOL_CALL_OPEN)
    assert calls[0] == ""
    assert all(call.endswith(TOOL_CALL_CLOSE) for call in calls[1:])
    return [call.removesuffix(TOOL_CALL_CLOSE) for call in calls[1:]]


def test_json_mode_gives_objects() -> None:
    for text in Walker(compile_json_schema(ANY_OBJECT), seed=5).texts(100):
        assert isinstance(json.loads(text), dict)
