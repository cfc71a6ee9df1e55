"""Conversations in OpenAI's JSON format.

Input that makes the reference templates fail or print Python's None is read as intended: arguments as JSON text, a
description or a response schema that is null. Input that the templates would silently drop is refused: a part of an
unknown type, or user content that is a number.
"""

import json
from collections.abc import Mapping

from g4run.chat.json_reader import JsonNode
from g4run.chat.messages import (
    Conversation,
    JsonValue,
    MediaPart,
    Message,
    Part,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolResponse,
)
from g4run.errors import UsageError

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.DEVELOPER,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "model": Role.ASSISTANT,
    "tool": Role.TOOL,
}
_THINKING_KEYS = ("reasoning", "reasoning_content", "thinking")


def parse_conversation(value: JsonValue) -> Conversation:
    """Parse `{"messages": […], "tools": […]}` or a bare list of messages; other members are ignored.

    Raises UsageError with the path of an invalid value.
    """
    if isinstance(value, Mapping):
        whole = JsonNode(value, "")
        if not whole.has("messages"):
            raise whole.at("messages").error("is missing")
        return Conversation(parse_messages(whole.at("messages")), tuple(map(parse_tool, whole.at("tools").items())))
    if isinstance(value, str) or value is None or isinstance(value, bool | int | float):
        raise UsageError('a conversation must be a list of messages, or an object with "messages"')
    return Conversation(parse_messages(JsonNode(value, "messages")))


def parse_messages(node: JsonNode) -> tuple[Message, ...]:
    """Parse a list of messages."""
    return tuple(map(parse_message, node.items()))


def parse_message(node: JsonNode) -> Message:
    """Parse one message; unknown members are ignored."""
    role = _ROLES.get(node.at("role").text())
    if role is None:
        raise node.at("role").error("must be one of " + ", ".join(_ROLES))
    content = node.at("content")
    return Message(
        role,
        _parse_content(content),
        thinking=next((text for key in _THINKING_KEYS if (text := node.at(key).text_or_empty())), ""),
        tool_calls=tuple(map(_parse_call, node.at("tool_calls").items())),
        tool_call_id=node.at("tool_call_id").text_or_empty(),
        name=node.at("name").text_or_empty(),
        tool_responses=tuple(map(_parse_response, node.at("tool_responses").items())),
        in_parts=content.value is not None and not isinstance(content.value, str),
    )


def parse_tool(node: JsonNode) -> Tool:
    """Parse `{"type": "function", "function": {…}}`."""
    if node.has("type") and node.at("type").text() != "function":
        raise node.at("type").error('must be "function"')
    function = node.at("function")
    return Tool(
        function.at("name").text(),
        function.at("description").text_or_empty(),
        function.at("parameters").nested_members() if function.has("parameters") else None,
        function.at("response").nested_members() if function.has("response") else None,
    )


def _parse_content(node: JsonNode) -> tuple[Part, ...]:
    if isinstance(node.value, str):
        return (TextPart(node.value),)
    if node.value is not None and isinstance(node.value, Mapping | bool | int | float):
        raise node.error("must be a string or a list of parts")
    return tuple(map(_parse_part, node.items()))


def _parse_part(node: JsonNode) -> Part:
    kind = node.at("type").text()
    match kind:
        case "text":
            return TextPart(node.at("text").text())
        case "image" | "image_url":
            return MediaPart("image", _find_source(node, "image_url", "image"))
        case "audio" | "input_audio":
            inner = node.at("input_audio")
            format = inner.at("format").text() if inner.has("format") else ""
            return MediaPart("audio", _find_source(node, "input_audio", "audio"), format)
        case "video":
            return MediaPart("video", _find_source(node, "video"))
        case _:
            raise node.at("type").error("must be one of text, image, image_url, audio, input_audio, video")


def _find_source(node: JsonNode, *keys: str) -> str:
    """Find the source: a string at one of `keys`, or at "url", "path" or "data" inside or beside it."""
    for key in (*keys, "url", "path", "data"):
        if node.has(key):
            inner = node.at(key)
            if not isinstance(inner.value, Mapping):
                return inner.text()
            return next((inner.at(name) for name in ("url", "path", "data") if inner.has(name)), inner.at("url")).text()
    return node.at(keys[0]).text()


def _parse_call(node: JsonNode) -> ToolCall:
    if node.has("type") and node.at("type").text() != "function":
        raise node.at("type").error('must be "function"')
    function = node.at("function")
    return ToolCall(
        function.at("name").text(),
        _parse_arguments(function.at("arguments")),
        node.at("id").text_or_empty(),
    )


def _parse_arguments(node: JsonNode) -> Mapping[str, JsonValue]:
    """Parse arguments: an object, its JSON text, or nothing."""
    if node.value is None or (isinstance(node.value, str) and not node.value.strip()):
        return {}
    if not isinstance(node.value, str):
        return node.nested_members()
    try:
        decoded: JsonValue = json.loads(node.value)
    except (ValueError, RecursionError):
        raise node.error("is a string but not valid JSON") from None
    return {} if decoded is None else JsonNode(decoded, node.path).nested_members()


def _parse_response(node: JsonNode) -> ToolResponse:
    response = node.at("response")
    if "response" not in node.members():
        raise response.error("is missing")
    response.check_depth()
    return ToolResponse(node.at("name").text_or_empty(), response.value)


def render_call(call: ToolCall) -> dict[str, JsonValue]:
    """Render one tool call, with its arguments as JSON text."""
    arguments = json.dumps(call.arguments, ensure_ascii=False, default=dict)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
