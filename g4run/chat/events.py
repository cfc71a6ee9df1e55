"""The events of a streamed answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from g4run.chat.messages import ToolCall


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More thinking text."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More answer text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallEvent:
    """A complete tool call, without an id."""

    call: ToolCall


class EndReason(StrEnum):
    """Why the answer ended."""

    INPUT = "input"  # the text ended
    TURN = "turn"  # the model closed its turn or opened another one
    TOOL_RESPONSE = "tool_response"  # the model waits for tool responses


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of every answer; later input is ignored."""

    reason: EndReason


Event: TypeAlias = ThinkingDelta | TextDelta | ToolCallEvent | Ended
