"""Renders conversations as Gemma 4 prompts, byte for byte like Google's templates of July 2026."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Literal

from g4run.chat import tokens
from g4run.chat.arguments import render_members
from g4run.chat.declarations import render_tool
from g4run.chat.messages import Conversation, JsonValue, MediaPart, Message, Role, TextPart, ToolCall
from g4run.chat.pieces import ControlPiece, Piece, TextPiece, join_text


class PromptFormat(StrEnum):
    """The one of Google's two templates that a model was trained with."""

    SMALL = "small"  # E2B and E4B
    LARGE = "large"  # 12B, 26B A4B and 31B: with thinking off, the model's turn starts with an empty thought


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered conversation; `opens_thought` means that the answer continues an open thought."""

    pieces: tuple[Piece, ...]
    opens_thought: bool = False

    @property
    def text(self) -> str:
        """The whole prompt as the reference renders it, <bos> included."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def media(self) -> tuple[MediaPart, ...]:
        """The media, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, MediaPart))


def render(
    conversation: Conversation,
    format: PromptFormat,
    *,
    thinking: bool,
    preserve_thinking: bool = False,
    add_generation_prompt: bool = True,
) -> Prompt:
    """Render a conversation as a prompt; never fails, whatever the values are.

    Only thoughts after the last user message are kept; `preserve_thinking` also keeps those of messages that call
    tools. Text from users, tools and models, such as `<|turn>`, never becomes a control piece.
    """
    opening, messages = _split_system(conversation)
    pieces: list[Piece] = [ControlPiece(tokens.BOS)]
    if thinking or conversation.tools or opening:
        pieces += _render_system_turn(opening, conversation, thinking=thinking)
    pieces += _render_messages(messages, preserve_thinking=preserve_thinking)
    if not add_generation_prompt:
        return Prompt(join_text(pieces))
    state = _last_message_state(messages)
    opens_thought = state == "responded" and thinking
    if opens_thought:
        pieces += _open_thought()
    elif state == "complete":
        pieces += _open_turn("model")
        if format is PromptFormat.LARGE and not thinking:
            pieces += [*_open_thought(), ControlPiece(tokens.CHANNEL_CLOSE)]
    return Prompt(join_text(pieces), opens_thought)


def _split_system(conversation: Conversation) -> tuple[Message | None, Sequence[Message]]:
    messages = conversation.messages
    if messages and messages[0].role in (Role.SYSTEM, Role.DEVELOPER):
        return messages[0], messages[1:]
    return None, messages


def _render_system_turn(opening: Message | None, conversation: Conversation, *, thinking: bool) -> Iterator[Piece]:
    yield from _open_turn("system")
    if thinking:
        yield ControlPiece(tokens.THINK)
        yield TextPiece("\n")
    if opening is not None:
        yield TextPiece(_system_text(opening))
    for tool in conversation.tools:
        yield from render_tool(tool)
    yield from _close_turn()


def _system_text(message: Message) -> str:
    """Return the system text; a media part is dropped but leaves the space that follows every part."""
    if not message.in_parts:
        return message.text.strip()
    texts = (part.text if isinstance(part, TextPart) else "" for part in message.content)
    return "".join(text.strip() + " " for text in texts)


def _render_messages(messages: Sequence[Message], *, preserve_thinking: bool) -> Iterator[Piece]:
    last_user = max((index for index, message in enumerate(messages) if message.role is Role.USER), default=-1)
    turns = [index for index, message in enumerate(messages) if message.role is not Role.TOOL]
    roles = [messages[index].role for index in turns]
    for position, index in enumerate(turns):
        message = messages[index]
        keeps_thinking = index > last_user or (preserve_thinking and bool(message.tool_calls))
        yield from _render_message(
            message,
            answers=list(_answers(messages, index)),
            previous=roles[position - 1] if position else None,
            following=roles[position + 1] if position + 1 < len(roles) else None,
            keeps_thinking=keeps_thinking,
        )


def _render_message(
    message: Message, *, answers: Sequence[Message], previous: Role | None, following: Role | None, keeps_thinking: bool
) -> Iterator[Piece]:
    is_model = message.role is Role.ASSISTANT
    if not (is_model and previous is Role.ASSISTANT):
        yield from _open_turn("model" if is_model else message.role.value)
    if message.thinking and keeps_thinking:
        yield from _open_thought()
        yield TextPiece(message.thinking + "\n")
        yield ControlPiece(tokens.CHANNEL_CLOSE)
    for call in message.tool_calls:
        yield from _render_call(call)
    yield from _render_responses(message, answers)
    content = list(_render_content(message))
    yield from content
    has_content = any(piece.text for piece in content)
    has_responses = bool(message.tool_responses or (message.tool_calls and answers))
    if message.tool_calls and not has_responses:
        yield ControlPiece(tokens.TOOL_RESPONSE_OPEN)
    elif is_model and following is Role.ASSISTANT:
        return
    elif has_content or following is not None or not has_responses:
        yield from _close_turn()


def _last_message_state(messages: Sequence[Message]) -> Literal["complete", "called", "responded"]:
    """Return the state of the last message that is not a tool message."""
    last = next((index for index in reversed(range(len(messages))) if messages[index].role is not Role.TOOL), None)
    if last is None:
        return "complete"
    message = messages[last]
    if message.tool_responses or (message.tool_calls and any(_answers(messages, last))):
        return "responded"
    return "called" if message.tool_calls else "complete"


def _answers(messages: Sequence[Message], index: int) -> Iterator[Message]:
    """Yield the tool messages that directly follow the message at `index`."""
    return takewhile(lambda message: message.role is Role.TOOL, (messages[i] for i in range(index + 1, len(messages))))


def _render_call(call: ToolCall) -> Iterator[Piece]:
    yield ControlPiece(tokens.TOOL_CALL_OPEN)
    yield TextPiece(f"call:{call.name}{{")
    yield from render_members(call.arguments)
    yield TextPiece("}")
    yield ControlPiece(tokens.TOOL_CALL_CLOSE)


def _render_responses(message: Message, answers: Sequence[Message]) -> Iterator[Piece]:
    if message.tool_responses:
        for response in message.tool_responses:
            yield from _render_response(response.name or "unknown", response.response)
    elif message.tool_calls:
        for answer in answers:
            has_text = answer.content or answer.in_parts
            yield from _render_response(_tool_name(message, answer), answer.text if has_text else None)
            yield from answer.media


def _render_response(name: str, response: JsonValue) -> Iterator[Piece]:
    members = response if isinstance(response, Mapping) else {"value": response}
    yield ControlPiece(tokens.TOOL_RESPONSE_OPEN)
    yield TextPiece(f"response:{name}{{")
    yield from render_members(members)
    yield TextPiece("}")
    yield ControlPiece(tokens.TOOL_RESPONSE_CLOSE)


def _tool_name(message: Message, answer: Message) -> str:
    """Return the responding tool's name: from the last call with its id, or from the message itself."""
    names = [call.name for call in message.tool_calls if call.id == answer.tool_call_id]
    return names[-1] if names else answer.name or "unknown"


def _render_content(message: Message) -> Iterator[Piece]:
    for part in message.content:
        if not isinstance(part, TextPart):
            yield part
        elif message.role is Role.ASSISTANT:
            yield TextPiece(strip_thoughts(part.text))
        else:
            yield TextPiece(part.text.strip())


def strip_thoughts(text: str) -> str:
    """Remove every channel from a model's text and strip the rest."""
    kept = (part.partition(tokens.CHANNEL_OPEN)[0] for part in text.split(tokens.CHANNEL_CLOSE))
    return "".join(kept).strip()


def _open_turn(role: str) -> Iterator[Piece]:
    yield ControlPiece(tokens.TURN_OPEN)
    yield TextPiece(role + "\n")


def _close_turn() -> Iterator[Piece]:
    yield ControlPiece(tokens.TURN_CLOSE)
    yield TextPiece("\n")


def _open_thought() -> Iterator[Piece]:
    yield ControlPiece(tokens.CHANNEL_OPEN)
    yield TextPiece("thought\n")
