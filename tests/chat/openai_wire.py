"""Conversations rendered in OpenAI's JSON format, as the parser's opposite."""

from g4run.chat.messages import (
    Conversation,
    JsonValue,
    MediaPart,
    Message,
    Part,
    TextPart,
    Tool,
)
from g4run.chat.openai_shape import render_call


def render_conversation(conversation: Conversation) -> dict[str, JsonValue]:
    """Render a conversation in the format that parse_conversation reads."""
    wire: dict[str, JsonValue] = {"messages": [render_message(message) for message in conversation.messages]}
    if conversation.tools:
        wire["tools"] = [render_tool(tool) for tool in conversation.tools]
    return wire


def render_message(message: Message) -> dict[str, JsonValue]:
    """Render one message; empty members are left out, except that content is null."""
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


def render_tool(tool: Tool) -> dict[str, JsonValue]:
    """Render one tool's declaration."""
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
        case MediaPart(kind="image"):
            return {"type": "image_url", "image_url": {"url": part.source}}
        case MediaPart(kind="audio"):
            sound = {"data": part.source, "format": part.format} if part.format else {"data": part.source}
            return {"type": "input_audio", "input_audio": sound}
        case _:
            return {"type": "video", "video": part.source}
