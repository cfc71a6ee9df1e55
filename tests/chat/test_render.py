import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from g4run.chat.openai_shape import parse_conversation
from g4run.chat.pieces import ControlPiece, TextPiece
from g4run.chat.render import Prompt, PromptFormat, render, strip_thoughts
from g4run.chat.tokens import CONTROL_TEXTS
from tests.chat.strategies import conversations

GOLDENS = sorted((Path(__file__).parent.parent / "golden" / "prompts").glob("*.json"))


@dataclass(frozen=True, slots=True)
class Golden:
    conversation: Conversation
    thinking: bool
    preserve_thinking: bool
    add_generation_prompt: bool
    format: PromptFormat
    text: str

    def render(self) -> Prompt:
        return render(
            self.conversation,
            self.format,
            thinking=self.thinking,
            preserve_thinking=self.preserve_thinking,
            add_generation_prompt=self.add_generation_prompt,
        )


def read_goldens(path: Path) -> Iterator[Golden]:
    golden = json.loads(path.read_text(encoding="utf-8"))
    conversation = parse_conversation(golden["conversation"])
    for prompt in golden["prompts"]:
        texts = {format: prompt.pop(format.value) for format in PromptFormat}
        for format, text in texts.items():
            yield Golden(conversation, format=format, text=text, **prompt)


def test_there_are_enough_goldens() -> None:
    assert len(GOLDENS) >= 60


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_prompts_match_the_reference_byte_for_byte(path: Path) -> None:
    for golden in read_goldens(path):
        assert golden.render().text == golden.text


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_opens_thought_is_set_if_the_prompt_ends_in_a_thought(path: Path) -> None:
    for golden in read_goldens(path):
        assert golden.render().opens_thought == golden.text.endswith("<|channel>thought\n")


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_pieces_match_their_type(path: Path) -> None:
    for golden in read_goldens(path):
        pieces = golden.render().pieces
        assert all(piece.text in CONTROL_TEXTS for piece in pieces if isinstance(piece, ControlPiece))
        assert all(
            piece.text in ("<|image|>", "<|audio|>", "<|video|>") for piece in pieces if isinstance(piece, MediaPart)
        )
        texts = [isinstance(piece, TextPiece) for piece in pieces]
        assert (True, True) not in pairwise(texts)
        assert all(piece.text for piece in pieces)


def test_user_text_never_becomes_a_control_piece() -> None:
    typed = "".join(CONTROL_TEXTS)
    message = Message.of(Role.USER, typed)
    pieces = render(Conversation((message,)), PromptFormat.SMALL, thinking=False).pieces
    assert pieces == (
        ControlPiece("<bos>"),
        ControlPiece("<|turn>"),
        TextPiece(f"user\n{typed}"),
        ControlPiece("<turn|>"),
        TextPiece("\n"),
        ControlPiece("<|turn>"),
        TextPiece("model\n"),
    )


@pytest.mark.parametrize("text", CONTROL_TEXTS)
def test_supplied_text_never_changes_the_control_pieces(text: str) -> None:
    assert control_texts(everywhere(text)) == control_texts(everywhere("x"))


def everywhere(text: str) -> Conversation:
    """Return a conversation with a text in every place that users, tools and models fill."""
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {text: {"type": "string", "description": text, "enum": [text, {text: text}]}},
        "required": [text],
    }
    calls = (ToolCall(text, {text: [text, {text: text}]}, text),)
    return Conversation(
        (
            Message.of(Role.SYSTEM, text),
            Message.of(Role.SYSTEM, text),
            Message.of(Role.USER, text, MediaPart("image", text)),
            Message(Role.ASSISTANT, (), thinking=text, tool_calls=calls),
            Message(Role.TOOL, (TextPart(text),), tool_call_id=text, name=text),
            Message(Role.ASSISTANT, (), tool_responses=(ToolResponse(text, {text: text}), ToolResponse(text, text))),
            Message(Role.ASSISTANT, (TextPart(f"a{text}b"),)),
        ),
        (Tool(text, text, schema, {"type": "object", "description": text}),),
    )


def control_texts(conversation: Conversation) -> list[str]:
    pieces = render(conversation, PromptFormat.LARGE, thinking=True, preserve_thinking=True).pieces
    return [piece.text for piece in pieces if isinstance(piece, ControlPiece)]


def test_media_keep_their_source() -> None:
    picture = MediaPart("image", "cat.png")
    prompt = render(Conversation((Message.of(Role.USER, picture),)), PromptFormat.LARGE, thinking=False)
    assert prompt.media == (picture,)


@given(conversations(), st.sampled_from(PromptFormat), st.booleans(), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=60)
def test_every_conversation_is_rendered(
    conversation: Conversation, format: PromptFormat, thinking: bool, preserve: bool, add: bool
) -> None:
    prompt = render(conversation, format, thinking=thinking, preserve_thinking=preserve, add_generation_prompt=add)
    assert prompt.text.startswith("<bos>")
    assert prompt.text == "".join(piece.text for piece in prompt.pieces)


def test_extreme_nesting_is_cut_off() -> None:
    value: JsonValue = 1
    schema: dict[str, JsonValue] = {"type": "string"}
    for _ in range(5_000):
        value = [value]
        schema = {"type": "object", "properties": {"a": schema}, "description": value}
    message = Message(Role.ASSISTANT, tool_calls=(ToolCall("f", {"a": value}),))
    text = render(Conversation((message,), (Tool("f", "", schema),)), PromptFormat.SMALL, thinking=False).text
    assert "call:f{a:[[[" in text
    assert "[null]" in text


def test_values_of_the_maximum_depth_are_rendered_in_full() -> None:
    value: JsonValue = 1
    schema: JsonValue = {"type": "string"}
    for _ in range(MAX_DEPTH - 2):
        value = [value]
    for _ in range(MAX_DEPTH // 2 - 1):
        schema = {"type": "object", "properties": {"a": schema}}
    wire: JsonValue = {
        "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": value}}}]}],
        "tools": [{"function": {"name": "f", "parameters": schema}}],
    }
    text = render(parse_conversation(wire), PromptFormat.SMALL, thinking=False).text
    assert "[" * (MAX_DEPTH - 2) + "1]" in text
    assert 'a:{type:<|"|>STRING<|"|>}' in text


def test_integers_longer_than_python_prints_are_rendered() -> None:
    message = Message(Role.ASSISTANT, tool_calls=(ToolCall("f", {"a": 10**5_000}),))
    text = render(Conversation((message,)), PromptFormat.SMALL, thinking=False).text
    assert "{a:1" + "0" * 5_000 + "}" in text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        (" a ", "a"),
        ("<|channel>thought\nx<channel|>y", "y"),
        ("a<|channel>b<channel|> c <|channel>d", "a c"),
        ("a<channel|>b", "ab"),
    ],
)
def test_thoughts_are_stripped(text: str, kept: str) -> None:
    assert strip_thoughts(text) == kept
