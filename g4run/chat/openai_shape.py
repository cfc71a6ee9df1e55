"""Conversations in OpenAI's JSON shape: what clients send and files hold, to values and back.

Where the reference templates fail or write Python's None, clients are read as they mean it: arguments that are JSON
text, a description or a response schema that is null. Where the templates would drop something without a word, such as
a part of an unknown kind or a user's content that is a number, it is refused.
"""

import json
from collections.abc import Mapping

from g4run.chat.json_reader import Place
from g4run.chat.messages import (
    AudioPart,
    Conversation,
    ImagePart,
    JsonValue,
    Message,
    Part,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolResponse,
    VideoPart,
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
    """Read `{"messages": […], "tools": […]}` or a bare list of messages; other members of the object are ignored.

    Raises UsageError, with the place in its message, on any value of another shape.
    """
    if isinstance(value, Mapping):
        whole = Place(value, "")
        if not whole.has("messages"):
            raise whole.at("messages").error("is missing")
        return Conversation(parse_messages(whole.at("messages")), tuple(map(parse_tool, whole.at("tools").items())))
    if isinstance(value, str) or value is None or isinstance(value, bool | int | float):
        raise UsageError('a conversation must be a list of messages, or an object with "messages"')
    return Conversation(parse_messages(Place(value, "messages")))


def parse_messages(place: Place) -> tuple[Message, ...]:
    """Read a list of messages."""
    return tuple(map(parse_message, place.items()))


def parse_message(place: Place) -> Message:
    """Read one message; unknown members are ignored."""
    role = _ROLES.get(place.at("role").text())
    if role is None:
        raise place.at("role").error("must be one of " + ", ".join(_ROLES))
    content = place.at("content")
    return Message(
        role,
        _parse_content(content),
        thinking=next((text for key in _THINKING_KEYS if (text := place.at(key).text_or_empty())), ""),
        tool_calls=tuple(map(_parse_call, place.at("tool_calls").items())),
        tool_call_id=place.at("tool_call_id").text_or_empty(),
        name=place.at("name").text_or_empty(),
        tool_responses=tuple(map(_parse_response, place.at("tool_responses").items())),
        in_parts=content.value is not None and not isinstance(content.value, str),
    )


def parse_tool(place: Place) -> Tool:
    """Read `{"type": "function", "function": {…}}`."""
    if place.has("type") and place.at("type").text() != "function":
        raise place.at("type").error('must be "function"')
    function = place.at("function")
    return Tool(
        function.at("name").text(),
        function.at("description").text_or_empty(),
        function.at("parameters").nested_members() if function.has("parameters") else None,
        function.at("response").nested_members() if function.has("response") else None,
    )


def _parse_content(place: Place) -> tuple[Part, ...]:
    if isinstance(place.value, str):
        return (TextPart(place.value),)
    if place.value is not None and isinstance(place.value, Mapping | bool | int | float):
        raise place.error("must be a string or a list of parts")
    return tuple(map(_parse_part, place.items()))


def _parse_part(place: Place) -> Part:
    kind = place.at("type").text()
    match kind:
        case "text":
            return TextPart(place.at("text").text())
        case "image" | "image_url":
            return ImagePart(_find_source(place, "image_url", "image"))
        case "audio" | "input_audio":
            inner = place.at("input_audio")
            return AudioPart(
                _find_source(place, "input_audio", "audio"),
                inner.at("format").text_or_empty() if isinstance(inner.value, Mapping) else "",
            )
        case "video":
            return VideoPart(_find_source(place, "video"))
        case _:
            raise place.at("type").error("must be one of text, image, image_url, audio, input_audio, video")


def _find_source(place: Place, *keys: str) -> str:
    """Where a medium comes from: a string under its own name, or under "url", "path" or "data" there or beside it."""
    for key in (*keys, "url", "path", "data"):
        if place.has(key):
            inner = place.at(key)
            if not isinstance(inner.value, Mapping):
                return inner.text()
            return next((inner.at(name) for name in ("url", "path", "data") if inner.has(name)), inner.at("url")).text()
    return place.at(keys[0]).text()


def _parse_call(place: Place) -> ToolCall:
    if place.has("type") and place.at("type").text() != "function":
        raise place.at("type").error('must be "function"')
    function = place.at("function")
    return ToolCall(
        function.at("name").text(),
        _parse_arguments(function.at("arguments")),
        place.at("id").text_or_empty(),
    )


def _parse_arguments(place: Place) -> Mapping[str, JsonValue]:
    """Read arguments: an object, the same as JSON text, or nothing."""
    if place.value is None or (isinstance(place.value, str) and not place.value.strip()):
        return {}
    if not isinstance(place.value, str):
        return place.nested_members()
    try:
        decoded: JsonValue = json.loads(place.value)
    except (ValueError, RecursionError):
        raise place.error("is a string, but not JSON") from None
    return {} if decoded is None else Place(decoded, place.path).nested_members()


def _parse_response(place: Place) -> ToolResponse:
    response = place.at("response")
    if "response" not in place.members():
        raise response.error("is missing")
    response.check_depth()
    return ToolResponse(place.at("name").text_or_empty(), response.value)


def render_conversation(conversation: Conversation) -> dict[str, JsonValue]:
    """Write a conversation in the shape that parse_conversation reads."""
    wire: dict[str, JsonValue] = {"messages": [render_message(message) for message in conversation.messages]}
    if conversation.tools:
        wire["tools"] = [render_tool(tool) for tool in conversation.tools]
    return wire


def render_message(message: Message) -> dict[str, JsonValue]:
    """Write one message; members that would be empty are left out, content is null where there is none."""
    wire: dict[str, JsonValue] = {"role": message.role.value, "content": _render_content(message)}
    if message.thinking:
        wire["reasoning_content"] = message.thinking
    if message.tool_calls:
        wire["tool_calls"] = [render_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        wire["tool_call_id"] = message.tool_call_id
    if message.name:
        wire["name"] = message.name
    if message.tool_responses:
        wire["tool_responses"] = [{"name": item.name, "response": item.response} for item in message.tool_responses]
    return wire


def render_call(call: ToolCall) -> dict[str, JsonValue]:
    """Write one tool call, its arguments as JSON text."""
    arguments = json.dumps(call.arguments, ensure_ascii=False, default=dict)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def render_tool(tool: Tool) -> dict[str, JsonValue]:
    """Write one tool's declaration."""
    function: dict[str, JsonValue] = {"name": tool.name, "description": tool.description}
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.response is not None:
        function["response"] = tool.response
    return {"type": "function", "function": function}


def _render_content(message: Message) -> JsonValue:
    if message.in_parts or len(message.content) > 1 or message.media:
        return [_render_part(part) for part in message.content]
    return message.text if message.content else None


def _render_part(part: Part) -> dict[str, JsonValue]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": part.source}}
        case AudioPart():
            sound = {"data": part.source, "format": part.format} if part.format else {"data": part.source}
            return {"type": "input_audio", "input_audio": sound}
        case VideoPart():
            return {"type": "video", "video": part.source}
