import json
from types import MappingProxyType

import pytest
from hypothesis import given, settings

from g4run.chat.messages import (
    MAX_DEPTH,
    Conversation,
    JsonValue,
    MediaPart,
    Message,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolResponse,
)
from g4run.chat.openai_shape import parse_conversation, render_call
from g4run.errors import UsageError
from tests.chat.openai_wire import render_conversation, render_message
from tests.chat.strategies import WIRE_CONVERSATIONS, conversations, json_values


def parse_one(message: JsonValue) -> Message:
    (parsed,) = parse_conversation([message]).messages
    return parsed


def user(*parts: JsonValue) -> JsonValue:
    return {"role": "user", "content": list(parts)}


def assistant(arguments: JsonValue) -> JsonValue:
    return {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": arguments}}]}


def nest(levels: int) -> JsonValue:
    value: JsonValue = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_an_object_and_a_bare_list_are_equivalent() -> None:
    messages: JsonValue = [{"role": "user", "content": "Hi"}]
    expected = Conversation((Message.of(Role.USER, "Hi"),))
    assert parse_conversation(messages) == expected
    assert parse_conversation({"model": "gemma4", "messages": messages, "tools": None}) == expected


@pytest.mark.parametrize(
    ("wire", "role"), [("developer", Role.DEVELOPER), ("model", Role.ASSISTANT), ("tool", Role.TOOL)]
)
def test_role_names(wire: str, role: Role) -> None:
    assert parse_one({"role": wire, "content": ""}).role is role


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content", "thinking"])
def test_thinking_keys(key: str) -> None:
    assert parse_one({"role": "assistant", "content": None, key: "Hm."}) == Message(Role.ASSISTANT, thinking="Hm.")


def test_media_sources() -> None:
    message = parse_one(
        user(
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}},
            {"type": "image_url", "image_url": "http://x/y.png"},
            {"type": "image", "image": "a.png"},
            {"type": "image", "path": "b.png"},
            {"type": "image", "url": "c.png"},
            {"type": "image", "data": "d.png"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "audio", "audio": "a.wav"},
            {"type": "video", "video": {"path": "a.mp4"}},
        )
    )
    assert message.content == (
        TextPart("a"),
        *(MediaPart("image", source) for source in ("data:,", "http://x/y.png", "a.png", "b.png", "c.png", "d.png")),
        MediaPart("audio", "AA==", "wav"),
        MediaPart("audio", "a.wav"),
        MediaPart("video", "a.mp4"),
    )


@pytest.mark.parametrize("arguments", [{"a": [1]}, '{"a": [1]}', ' {"a":[1]}\n'])
def test_arguments_may_be_an_object_or_json_text(arguments: JsonValue) -> None:
    assert parse_one(assistant(arguments)).tool_calls == (ToolCall("f", {"a": [1]}, "x"),)


@pytest.mark.parametrize("arguments", [None, "", "null", "{}", {}])
def test_arguments_may_be_empty(arguments: JsonValue) -> None:
    assert parse_one(assistant(arguments)).tool_calls == (ToolCall("f", {}, "x"),)


def test_tools_and_responses() -> None:
    schema: JsonValue = {"type": "object", "properties": {}}
    wire: JsonValue = {
        "messages": [
            {"role": "tool", "content": "18", "tool_call_id": "x", "name": "f"},
            {"role": "assistant", "tool_responses": [{"name": "f", "response": {"a": None}}]},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "F", "parameters": schema, "response": schema},
            },
            {"function": {"name": "g", "description": None}},
        ],
    }
    assert parse_conversation(wire) == Conversation(
        (
            Message(Role.TOOL, (TextPart("18"),), tool_call_id="x", name="f"),
            Message(Role.ASSISTANT, tool_responses=(ToolResponse("f", {"a": None}),)),
        ),
        (Tool("f", "F", {"type": "object", "properties": {}}, {"type": "object", "properties": {}}), Tool("g")),
    )


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (5, 'a conversation must be a list of messages, or an object with "messages"'),
        ({}, "messages is missing"),
        ({"messages": "Hi"}, "messages must be a list, not a string"),
        ({"messages": [], "tools": {}}, "tools must be a list, not an object"),
        ([None], "messages[0] must be an object, not null"),
        ([{}], "messages[0].role is missing"),
        ([{"role": 1}], "messages[0].role must be a string, not a number"),
        ([{"role": "x"}], "messages[0].role must be one of system, developer, user, assistant, model, tool"),
        ([{"role": "user", "content": {}}], "messages[0].content must be a string or a list of parts"),
        ([{"role": "user", "content": True}], "messages[0].content must be a string or a list of parts"),
        ([user("Hi")], "messages[0].content[0] must be an object, not a string"),
        ([user({"type": "text"})], "messages[0].content[0].text is missing"),
        ([user({"type": "image_url"})], "messages[0].content[0].image_url is missing"),
        ([user({"type": "image_url", "image_url": {}})], "messages[0].content[0].image_url.url is missing"),
        (
            [user({"type": "text", "text": ""}, {"type": "fax"})],
            "messages[0].content[1].type must be one of text, image, image_url, audio, input_audio, video",
        ),
        ([{"role": "user", "thinking": True}], "messages[0].thinking must be a string, not a boolean"),
        ([{"role": "user", "tool_calls": [{}]}], "messages[0].tool_calls[0].function must be an object, not null"),
        (
            [{"role": "assistant", "tool_calls": [{"type": "custom", "function": {"name": "f"}}]}],
            'messages[0].tool_calls[0].type must be "function"',
        ),
        ([assistant("{")], "messages[0].tool_calls[0].function.arguments is a string but not valid JSON"),
        ([assistant("[" * 100_000)], "messages[0].tool_calls[0].function.arguments is a string but not valid JSON"),
        ([assistant("9" * 5_000)], "messages[0].tool_calls[0].function.arguments is a string but not valid JSON"),
        ([assistant("[1]")], "messages[0].tool_calls[0].function.arguments must be an object, not a list"),
        (
            [assistant('{"a":' * 80 + "1" + "}" * 80)],
            f"messages[0].tool_calls[0].function.arguments nests deeper than {MAX_DEPTH} levels",
        ),
        (
            [{"role": "assistant", "tool_responses": [{"name": "f", "response": nest(65)}]}],
            f"messages[0].tool_responses[0].response nests deeper than {MAX_DEPTH} levels",
        ),
        (
            {"messages": [], "tools": [{"function": {"name": "f", "parameters": {"a": nest(64)}}}]},
            f"tools[0].function.parameters nests deeper than {MAX_DEPTH} levels",
        ),
        (
            {"messages": [], "tools": [{"function": {"name": "f", "response": {"a": nest(64)}}}]},
            f"tools[0].function.response nests deeper than {MAX_DEPTH} levels",
        ),
        (
            [assistant({"a": nest(64)})],
            f"messages[0].tool_calls[0].function.arguments nests deeper than {MAX_DEPTH} levels",
        ),
        ({"messages": [], "tools": [{"type": "x"}]}, 'tools[0].type must be "function"'),
        ({"messages": [], "tools": [{"function": {}}]}, "tools[0].function.name is missing"),
        (
            {"messages": [], "tools": [{"function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters must be an object, not a list",
        ),
    ],
)
def test_errors_give_the_path(wire: JsonValue, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_conversation(wire)
    assert raised.value.message == message


@given(json_values() | WIRE_CONVERSATIONS)
@settings(deadline=None, max_examples=120)
def test_any_json_is_parsed_or_refused(value: JsonValue) -> None:
    try:
        conversation = parse_conversation(value)
    except UsageError as error:
        assert error.message
    else:
        assert isinstance(conversation, Conversation)


@given(conversations())
@settings(deadline=None, max_examples=40)
def test_conversations_round_trip(conversation: Conversation) -> None:
    assert parse_conversation(json.loads(json.dumps(render_conversation(conversation)))) == conversation


def test_a_call_is_rendered_in_openai_format() -> None:
    assert render_call(ToolCall("f", {"é": [None]}, "call_1")) == {
        "id": "call_1",
        "type": "function",
        "function": {"name": "f", "arguments": '{"é": [null]}'},
    }


def test_arguments_of_any_mapping_type_are_rendered() -> None:
    call = ToolCall("f", MappingProxyType({"a": MappingProxyType({"b": 1})}))
    assert render_call(call)["function"] == {"name": "f", "arguments": '{"a": {"b": 1}}'}


def test_media_round_trip() -> None:
    sounds = MediaPart("audio", "c", "wav"), MediaPart("audio", "d")
    message = Message.of(Role.USER, "a", MediaPart("image", "b"), *sounds, MediaPart("video", "e"))
    assert parse_one(render_message(message)) == message
