"""The renderer against the templates on random conversations in OpenAI's shape, odd values included."""

import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from jinja2.exceptions import SecurityError, TemplateError

from g4run.chat.openai_shape import parse_conversation
from g4run.chat.render import PromptFormat, render
from g4run.errors import UsageError
from scripts.reference_templates.reference import VARIANTS, Reference, Wire


def fuzz(references: dict[PromptFormat, Reference], count: int, source: random.Random) -> int:
    """Compare the renderer with the templates; conversations that the templates refuse must only not fail here."""
    equal = refused = rejected = 0
    for number in range(count):
        conversation = RandomConversation(source).make()
        for (format, reference), settings in itertools.product(references.items(), VARIANTS):
            try:
                prompt = render(parse_conversation(conversation), format, **settings).text
            except UsageError:
                rejected += 1
                continue
            try:
                expected = reference.render(conversation, settings)
            except (TemplateError, SecurityError, TypeError, AttributeError, ValueError):
                refused += 1
                continue
            if prompt != expected:
                print(
                    f"conversation {number}, {format}, {settings}\n{json.dumps(conversation)}\n{expected!r}\n{prompt!r}"
                )
                return 1
            equal += 1
    print(f"{count} conversations: {equal} prompts equal, {refused} refused by the templates, {rejected} rejected here")
    return 0


class RandomConversation:
    """Makes conversations that look for trouble: odd keys, odd types, tags in texts, answers without calls."""

    WORDS = (
        *(
            "",
            " ",
            "a",
            "B",
            "é",
            "ß",
            "İ",
            "ǅ",
            "\n",
            " x ",
            "\u2003y\u00a0",
            "日本",
            "key-1",
            "key.2",
            "Key",
            "key",
            "\x1f",
        ),
        *(
            "description",
            "type",
            "properties",
            "required",
            "nullable",
            "items",
            "enum",
            "title",
            "additionalProperties",
        ),
        *(
            "<|channel>",
            "<channel|>",
            "<turn|>",
            '<|"|>',
            "<|channel>thought\nx\n<channel|>y",
            "{",
            "}",
            "'",
            '"',
            "\\",
        ),
    )
    TYPES = ("string", "STRING", "array", "object", "integer", "number", "boolean", "null", "", "any")
    ROLES = ("user", "user", "assistant", "assistant", "assistant", "tool", "tool", "system", "developer")

    def __init__(self, source: random.Random) -> None:
        self._random = source

    def make(self) -> Wire:
        """One conversation."""
        roles = [self._random.choice(self.ROLES) for _ in range(self._random.randrange(9))]
        if self._chance(0.3):
            roles.insert(0, self._random.choice(("system", "developer")))
        conversation: Wire = {"messages": [self._message(role) for role in roles]}
        if self._chance(0.5):
            conversation["tools"] = [self._tool() for _ in range(self._random.randrange(3))]
        return conversation

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _text(self) -> str:
        return "".join(self._random.choice(self.WORDS) for _ in range(self._random.randrange(4)))

    def _message(self, role: str) -> Wire:
        message: Wire = {"role": role}
        if self._chance(0.9):
            message["content"] = self._random.choice((None, self._text(), self._text(), self._parts()))
        for key in ("reasoning", "reasoning_content"):
            if self._chance(0.2):
                message[key] = self._random.choice((None, self._text()))
        if (role == "assistant" and self._chance(0.6)) or self._chance(0.05):
            message["tool_calls"] = [self._call() for _ in range(self._random.randrange(3))]
        if self._chance(0.1):
            message["tool_responses"] = [
                {"name": self._text(), "response": self._value(3)} for _ in range(self._random.randrange(3))
            ]
        if role == "tool":
            message |= dict(self._optional("tool_call_id", self._identifier) | self._optional("name", self._text))
        return message

    def _optional(self, key: str, make: Callable[[], Any]) -> Wire:
        return {key: make()} if self._chance(0.6) else {}

    def _identifier(self) -> str:
        return f"call_{self._random.randrange(3)}"

    def _parts(self) -> list[Wire]:
        kinds: tuple[Wire, ...] = (
            {"type": "text", "text": self._text()},
            {"type": "text", "text": self._text()},
            {"type": "image_url", "image_url": {"url": "data:,"}},
            {"type": "image", "image": "a.png"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "audio", "audio": "a.wav"},
            {"type": "video", "video": "a.mp4"},
        )
        return [self._random.choice(kinds) for _ in range(self._random.randrange(4))]

    def _call(self) -> Wire:
        arguments = self._mapping(3) if self._chance(0.9) else None
        return self._optional("id", self._identifier) | {
            "type": "function",
            "function": {"name": self._text(), "arguments": arguments},
        }

    def _mapping(self, depth: int) -> Wire:
        return {self._text(): self._value(depth - 1) for _ in range(self._random.randrange(4))}

    def _value(self, depth: int) -> Any:
        if depth > 0 and self._chance(0.5):
            if self._chance(0.5):
                return self._mapping(depth)
            return [self._value(depth - 1) for _ in range(self._random.randrange(4))]
        floats = (0.0, -0.0, 1.5, 1e16, 1e-7, 1e300, float("inf"), float("nan"), 123456789.123)
        return self._random.choice((None, True, False, 0, -7, 10**20, self._random.choice(floats), self._text()))

    def _tool(self) -> Wire:
        function: Wire = {"name": self._text()} | self._optional("description", self._text)
        if self._chance(0.8):
            function["parameters"] = self._schema(4, whole=True)
        if self._chance(0.2):
            function["response"] = self._schema(1, whole=True)
        return {"type": "function", "function": function}

    def _schema(self, depth: int, *, whole: bool = False) -> Any:
        if not whole and self._chance(0.1):
            return self._value(2)
        schema: Wire = {}
        for key, probability, make in self._schema_members(depth):
            if self._chance(probability):
                schema[key] = self._value(2) if self._chance(0.07) else make()
        return schema

    def _schema_members(self, depth: int) -> Iterator[tuple[str, float, Callable[[], Any]]]:
        yield "type", 0.85, lambda: "object" if depth > 1 and self._chance(0.4) else self._random.choice(self.TYPES)
        yield "description", 0.5, self._text
        yield "enum", 0.3, lambda: [self._value(1) for _ in range(2)]
        yield "nullable", 0.2, lambda: self._random.choice((True, False))
        yield "required", 0.4, lambda: [self._text() for _ in range(self._random.randrange(3))]
        yield self._text(), 0.2, lambda: self._value(2)
        if depth > 0:
            yield "properties", 0.6, lambda: {self._text(): self._schema(depth - 1) for _ in range(3)}
            yield "items", 0.4, lambda: self._schema(depth - 1)
