"""Random values for the tests of the chat package."""

from collections.abc import Callable

from hypothesis import strategies as st

from g4run.chat.messages import (
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
from g4run.chat.tokens import CONTROL_TEXTS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCHEMA_KEYS = st.sampled_from(["type", "description", "properties", "required", "items", "enum", "nullable", "title"])
SCHEMA_TYPES = st.sampled_from(["string", "object", "array", "integer", "STRING"])


def texts() -> st.SearchStrategy[str]:
    """Texts that sometimes contain the text of a control token."""
    return st.lists(st.text(max_size=5) | st.sampled_from(CONTROL_TEXTS), max_size=4).map("".join)


def json_values(
    keys: st.SearchStrategy[str] | None = None, scalars: st.SearchStrategy[JsonValue] | None = None
) -> st.SearchStrategy[JsonValue]:
    """JSON values of any shape."""
    leaves: st.SearchStrategy[JsonValue] = (SCALARS | texts()) if scalars is None else scalars
    names = st.text(max_size=5) if keys is None else keys
    extend: Callable[[st.SearchStrategy[JsonValue]], st.SearchStrategy[JsonValue]]
    extend = lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)  # noqa: E731
    return st.recursive(leaves, extend, max_leaves=12)


def mappings(keys: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[dict[str, JsonValue]]:
    """JSON objects."""
    return st.dictionaries(st.text(max_size=5) if keys is None else keys, json_values(keys), max_size=4)


def schemas() -> st.SearchStrategy[dict[str, JsonValue]]:
    """Objects that resemble JSON schemas."""
    values = json_values(SCHEMA_KEYS | st.text(max_size=3), SCALARS | SCHEMA_TYPES)
    return st.dictionaries(SCHEMA_KEYS, values, max_size=5)


def messages() -> st.SearchStrategy[Message]:
    """Messages that the wire format can hold."""
    media = st.builds(MediaPart, st.sampled_from(["image", "video"]), texts())
    media |= st.builds(MediaPart, st.just("audio"), texts(), texts())
    parts = st.lists(st.builds(TextPart, texts()) | media, max_size=3).map(tuple)
    common = {
        "role": st.sampled_from(Role),
        "thinking": texts(),
        "tool_calls": st.lists(st.builds(ToolCall, texts(), mappings(), texts()), max_size=2).map(tuple),
        "tool_call_id": texts(),
        "name": texts(),
        "tool_responses": st.lists(st.builds(ToolResponse, texts(), json_values()), max_size=2).map(tuple),
    }
    in_parts = st.builds(Message, content=parts, in_parts=st.just(True), **common)
    of_text = st.builds(Message, content=st.builds(TextPart, texts()).map(lambda part: (part,)), **common)
    return in_parts | of_text | st.builds(Message, **common)


def conversations() -> st.SearchStrategy[Conversation]:
    """Conversations with every kind of message in every order."""
    tools = st.builds(Tool, texts(), texts(), st.none() | schemas(), st.none() | schemas())
    return st.builds(Conversation, st.lists(messages(), max_size=5).map(tuple), st.lists(tools, max_size=2).map(tuple))


def _nearly(**members: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[JsonValue]:
    """Objects with the right members, each of which may be wrong or missing."""
    return st.fixed_dictionaries({}, optional={key: value | SCALARS for key, value in members.items()})


_PART = _nearly(
    type=st.sampled_from(["text", "image_url", "image", "input_audio", "audio", "video"]),
    text=texts(),
    image_url=_nearly(url=texts()),
    input_audio=_nearly(data=texts(), format=texts()),
    video=texts(),
)
_CALL = _nearly(id=texts(), type=st.just("function"), function=_nearly(name=texts(), arguments=texts() | mappings()))
_TOOL = _nearly(type=st.just("function"), function=_nearly(name=texts(), parameters=schemas(), response=schemas()))
_MESSAGE = _nearly(
    role=st.sampled_from(["system", "user", "assistant", "tool", "developer"]),
    content=texts() | st.lists(_PART, max_size=2),
    tool_calls=st.lists(_CALL, max_size=2),
    tool_call_id=texts(),
    reasoning=texts(),
    tool_responses=st.lists(_nearly(name=texts(), response=json_values()), max_size=2),
)
WIRE_CONVERSATIONS = _nearly(messages=st.lists(_MESSAGE, max_size=3), tools=st.lists(_TOOL, max_size=2))
