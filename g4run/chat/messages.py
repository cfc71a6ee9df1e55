"""Conversations as values: messages, media, and tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

MAX_DEPTH = 64  # levels of nested values: deeper input is refused, and renderers write null below


class Role(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    DEVELOPER = "developer"  # OpenAI's newer name for the system; after the first message, a turn of its own name
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class MediaPart:
    """An image, audio or a video; `source` is a URL, a data URI, base64 audio or a path, as given.

    `format` of audio is "wav" or "mp3" if known.
    """

    kind: Literal["image", "audio", "video"]
    source: str
    format: str = ""

    @property
    def text(self) -> str:
        """The placeholder token's text, which stands for the part in the reference's prompts."""
        return f"<|{self.kind}|>"


Part: TypeAlias = TextPart | MediaPart


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's request to run a tool; `id` is empty until one is assigned."""

    name: str
    arguments: Mapping[str, JsonValue]
    id: str = ""


@dataclass(frozen=True, slots=True)
class ToolResponse:
    """A tool's response inside the assistant's message, as Gemma stores it; a mapping is rendered key by key."""

    name: str
    response: JsonValue


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    `in_parts` means that the content was given as a list of parts, not one string: the reference separates the parts of
    a leading system message with spaces. A tool message without content responds with null.
    `tool_call_id` and `name` belong to tool messages: the call it answers, and the tool's name if the id is unknown.
    """

    role: Role
    content: tuple[Part, ...] = ()
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    tool_responses: tuple[ToolResponse, ...] = ()
    in_parts: bool = False

    @classmethod
    def of(cls, role: Role, *content: str | Part) -> Self:
        """Create a message from one string, or from parts."""
        parts = tuple(TextPart(item) if isinstance(item, str) else item for item in content)
        return cls(role, parts, in_parts=bool(content) and not (len(content) == 1 and isinstance(content[0], str)))

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def media(self) -> tuple[MediaPart, ...]:
        """The media parts, in order."""
        return tuple(part for part in self.content if not isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` and `response` are JSON schemas."""

    name: str
    description: str = ""
    parameters: Mapping[str, JsonValue] | None = None
    response: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order, and the tools declared to the model."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
