"""Conversations as values: who said what, with which media, and which tools may be called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

MAX_DEPTH = 64
"""Levels of nesting that values may have: wire input with more is refused, and renderers write null below."""


class Role(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    """OpenAI's newer name for the system: the same in the first message, a turn of its own name in a later one."""
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class TextPart:
    """A stretch of text."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture; `source` is a URL, a data URI or a path, as it was given."""

    source: str


@dataclass(frozen=True, slots=True)
class AudioPart:
    """A sound; `source` is base64 data, a URL or a path, and `format` its kind ("wav", "mp3") where known."""

    source: str
    format: str = ""


@dataclass(frozen=True, slots=True)
class VideoPart:
    """A film; `source` is a URL, a data URI or a path, as it was given."""

    source: str


MediaPart: TypeAlias = ImagePart | AudioPart | VideoPart
Part: TypeAlias = TextPart | MediaPart


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a tool run; `id` is empty until somebody assigns one."""

    name: str
    arguments: Mapping[str, JsonValue]
    id: str = ""


@dataclass(frozen=True, slots=True)
class ToolResponse:
    """A tool's answer kept inside the assistant's message, Gemma's own way; a mapping is written key by key."""

    name: str
    response: JsonValue


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    `in_parts` says that the content came as a list of parts rather than as one string: the reference separates the
    parts of a leading system message by spaces. A tool's message without content answers with null.
    `tool_call_id` and `name` belong to a tool's message: the call it answers, and the tool's name where no id is known.
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
        """Make a message of one string, or of parts."""
        parts = tuple(TextPart(item) if isinstance(item, str) else item for item in content)
        return cls(role, parts, in_parts=bool(content) and not (len(content) == 1 and isinstance(content[0], str)))

    @property
    def text(self) -> str:
        """The text parts, one after the other."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def media(self) -> tuple[MediaPart, ...]:
        """The parts that are not text, in order."""
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
