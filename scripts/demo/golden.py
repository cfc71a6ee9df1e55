"""The list of prompts with their trained answers: `tests/golden/demo_prompts.json`."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from scripts.demo.corpus import TOOL_NAMES, Conversation, Exchange, Json, written
from scripts.demo.generators import Source
from scripts.demo.recalls import RECALLS

SEED = 2026
GENERATED = {"sum": 10, "json": 5, "repeat": 3, "count": 2, "fallback": 4}


@dataclass(frozen=True, slots=True)
class Case:
    """Messages in OpenAI's shape, and what the model is to answer."""

    name: str
    messages: list[Json]
    expected: Json
    tools: list[Json] | None = None
    think: bool = False


def write_cases(path: Path) -> list[Case]:
    """Write the list and return it."""
    listed = list(cases())
    text = json.dumps([asdict(case) for case in listed], indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return listed


def read_cases(path: Path) -> list[Case]:
    """Read a list that `write_cases` wrote."""
    return [Case(**case) for case in json.loads(path.read_text(encoding="utf-8"))]


def cases() -> Iterator[Case]:
    """Yield every case of the list: written dialogues, each generator, recall, tools, thinking, long chats."""
    source = Source(Random(SEED), held_out=True)
    yield from written_cases(source.random)
    for kind, count in GENERATED.items():
        for number in range(count):
            yield from split(f"{kind}-{number + 1}", Conversation((source.makers[kind](),)))
    for number, system in enumerate(("You are a helpful assistant.", "Answer briefly.")):
        yield from split(f"system-{number + 1}", Conversation((source.written(),), system))
    yield from recall_cases(source)
    yield from tool_cases(source)
    for number in range(6):
        conversation = Conversation((source.makers[("written", "sum", "fallback")[number % 3]](),), think=True)
        yield from split(f"thinking-{number + 1}", conversation)
    for number in range(6):
        exchanges = tuple(source.makers[("written", "sum", "json")[step % 3]]() for step in range(number + 2))
        yield from split(f"turns-{number + 2}", Conversation(exchanges))


def written_cases(random: Random) -> Iterator[Case]:
    """Yield one question of every greeting and of every third of the other written dialogues."""
    for number, (topic, exchanges) in enumerate(written()):
        if number % 3 == 0 or topic == "greetings":
            yield from split(f"{topic}-{number + 1}", Conversation((random.choice(exchanges),)))


def recall_cases(source: Source) -> Iterator[Case]:
    """Yield recalls of held-out values: directly, and with more than a window of other turns between."""
    story = next(exchanges[0] for _, exchanges in written() if exchanges[0].ask == "Tell me a story.")
    for number in range(8):
        told, asked = source.recall()
        between = ((), (source.sum(),), (story,), (story, source.written(), source.sum()))[number % 4]
        yield from split(f"recall-{number + 1}", Conversation((told, *between, asked), think=number >= 6))
    for recall in RECALLS[:2]:
        asked = Exchange("unknown", recall.asks[0], recall.unknown, "")
        yield from split(f"untold-{recall.key}", Conversation((asked,)))


def tool_cases(source: Source) -> Iterator[Case]:
    """Yield a call and the answer after the response for every tool, with one and with all declared, with thinking."""
    for name in TOOL_NAMES:
        for declared, think in (((name,), False), (TOOL_NAMES, False), (TOOL_NAMES, True)):
            exchange = source.tool((name,))
            while exchange.call is None:
                exchange = source.tool((name,))
            case = f"tool-{name}-{len(declared)}{'-think' * think}"
            yield from split(case, Conversation((exchange,), "", declared, think))


def split(name: str, conversation: Conversation) -> Iterator[Case]:
    """Yield what the model says last in a conversation: one case, or two with a tool's response between."""
    messages, tools = conversation.messages(), conversation.declarations()
    spoken = [len(messages) - 1]
    if conversation.exchanges[-1].call:
        spoken.insert(0, len(messages) - 3)
    for place in spoken:
        suffix = "" if len(spoken) == 1 else "-call" if place == spoken[0] else "-answer"
        yield Case(name + suffix, messages[:place], expectation(messages[place]), tools, conversation.think)


def expectation(message: Json) -> Json:
    """Return what an assistant's message holds: content, thinking, and name and arguments of its calls."""
    calls = [call["function"] for call in message.get("tool_calls", [])]
    return {"content": message["content"], "thinking": message.get("reasoning", ""), "tool_calls": calls}
