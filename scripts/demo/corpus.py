"""The dialogues of the demo model as values, and the written ones from `corpus/*.toml`.

An `Exchange` is one question with its answer; a `Conversation` strings exchanges together, under an optional system
text, with or without tools and thinking.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]  # messages and declarations in OpenAI's wire shape, and what a TOML file holds
FOLDER = Path(__file__).parent / "corpus"
TOOL_NAMES = ("get_weather", "get_time", "multiply")
TOOL_THOUGHT = "The tool has answered, so I can tell the user."


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the model and the response that it gets."""

    name: str
    arguments: dict[str, str | int]
    response: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question of the user, the thought that precedes the answer, and the answer."""

    kind: str
    ask: str
    answer: str
    thought: str
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Exchanges in their order; the last one is what a test asks for."""

    exchanges: tuple[Exchange, ...]
    system: str = ""
    tools: tuple[str, ...] = ()
    think: bool = False

    def messages(self) -> list[Json]:
        """Return every message, the last answer included, in OpenAI's shape."""
        messages: list[Json] = [{"role": "system", "content": self.system}] if self.system else []
        for exchange in self.exchanges:
            messages.extend(exchange_messages(exchange, self.think and exchange is self.exchanges[-1]))
        return messages

    def declarations(self) -> list[Json] | None:
        """Return the declared tools in OpenAI's shape, or None."""
        return [declaration(name) for name in self.tools] or None


def exchange_messages(exchange: Exchange, think: bool) -> Iterator[Json]:
    """Yield the messages of one exchange; with `think`, the thoughts as well."""
    thought = {"reasoning": exchange.thought} if think else {}
    yield {"role": "user", "content": exchange.ask}
    if exchange.call is None:
        yield {"role": "assistant", "content": exchange.answer, **thought}
        return
    function = {"name": exchange.call.name, "arguments": exchange.call.arguments}
    yield {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        **thought,
    }
    yield {"role": "tool", "tool_call_id": "call_1", "content": exchange.call.response}
    thought = {"reasoning": TOOL_THOUGHT} if think else {}
    yield {"role": "assistant", "content": exchange.answer, **thought}


@cache
def table(name: str) -> Json:
    """Return the data of `corpus/{name}.toml`."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def strings(name: str, key: str) -> list[str]:
    """Return one list of strings of `corpus/{name}.toml`."""
    return list(table(name)[key])


def declaration(name: str) -> Json:
    """Return the declaration of one of the three tools in OpenAI's shape."""
    tool = next(tool for tool in table("tools")["tool"] if tool["name"] == name)
    properties = {
        argument: {"type": kind, "description": tool["descriptions"][argument]}
        for argument, kind in tool["arguments"].items()
    }
    parameters = {"type": "object", "properties": properties, "required": list(tool["arguments"])}
    return {
        "type": "function",
        "function": {"name": name, "description": tool["description"], "parameters": parameters},
    }


@cache
def written() -> tuple[tuple[str, tuple[Exchange, ...]], ...]:
    """Return every written dialogue: its topic, and one exchange for each way to ask."""
    dialogues = []
    for topic in ("greetings", "g4run", "family", "texts"):
        data = table(topic)
        for dialogue in data["dialogue"]:
            thought = dialogue.get("thought", data["thought"])
            dialogues.append(
                (topic, tuple(Exchange(topic, ask, dialogue["answer"], thought) for ask in dialogue["ask"]))
            )
    dialogues.extend(("family", exchanges) for exchanges in member_facts())
    return tuple(dialogues)


def member_facts() -> Iterator[tuple[Exchange, ...]]:
    """Yield the questions that are asked of every member of the family."""
    data = table("family")
    for member in data["member"]:
        for key, patterns in data["member_questions"].items():
            answer = data["member_answers"][key].format(**member)
            thought = f"The user asks about {member['name']}."
            yield tuple(Exchange("family", ask.format(**member), answer, thought) for ask in patterns)
