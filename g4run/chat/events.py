"""What a model's answer consists of, as it comes in."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from g4run.chat.messages import ToolCall


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of the model's thoughts."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallEvent:
    """A whole tool call, without an id."""

    call: ToolCall


class EndReason(StrEnum):
    """What ended the answer."""

    INPUT = "input"
    """No more text came."""
    TURN = "turn"
    """The model closed its turn, or opened another one."""
    TOOL_RESPONSE = "tool_response"
    """The model waits for its tools' answers."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event, exactly one for each answer: whatever is fed later is dropped."""

    reason: EndReason


Event: TypeAlias = ThinkingDelta | TextDelta | ToolCallEvent | Ended
