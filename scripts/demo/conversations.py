"""Conversations drawn from the exchanges: several turns, system texts, tools, thinking, and ways to type a question."""

import string
from collections.abc import Iterator
from random import Random

from scripts.demo.corpus import TOOL_NAMES, Conversation, Exchange
from scripts.demo.generators import Source

SYSTEM_TEXTS = (
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "Answer briefly.",
    "You are the demo model of g4run.",
    "Be polite.",
    "Be concise and polite.",
)


def conversation(source: Source) -> Conversation:
    """Draw a conversation of one to nine exchanges."""
    random = source.random
    tools = tuple(random.sample(TOOL_NAMES, random.choice((1, 2, 3, 3)))) if random.random() < 0.18 else ()
    system = random.choice(SYSTEM_TEXTS) if random.random() < 0.3 else ""
    length = random.choice((1, 1, 2, 3) if tools else (1, 1, 1, 2, 2, 3, 4, 6, 8))
    exchanges = [varied(exchange, random) for exchange in (draw(source, tools) for _ in range(length))]
    if random.random() < 0.08:
        name = source.name()
        system = random.choice(("Your name is {}.", "You are called {}.", "Your name is {}. Be polite.")).format(name)
        ask = random.choice(("What is your name?", "Who are you?", "What should I call you?"))
        asked = Exchange("named", ask, f"My name is {name}.", f"The system says that my name is {name}.")
        exchanges = [exchange for exchange in exchanges if "am demo" not in exchange.answer]
        exchanges.append(varied(asked, random))
    exchanges = with_recall(source, exchanges) if random.random() < 0.4 else exchanges
    return Conversation(tuple(consistent(exchanges)), system, tools, random.random() < 0.25)


def draw(source: Source, tools: tuple[str, ...]) -> Exchange:
    """Draw one exchange after the mix; with tools declared, half of them are about tools."""
    if source.random.random() < (0.5 if tools else 0.04):
        return source.tool(tools)
    kind = source.random.choices(list(source.mix), list(source.mix.values()))[0]
    return source.makers[kind]()


def with_recall(source: Source, exchanges: list[Exchange]) -> list[Exchange]:
    """Let the user tell something early, and ask for it at the end or near it."""
    told, asked = (varied(exchange, source.random) for exchange in source.recall())
    start = source.random.randint(0, len(exchanges) - 1) if exchanges else 0
    end = len(exchanges) if source.random.random() < 0.7 else source.random.randint(start, len(exchanges))
    return [*exchanges[:start], told, *exchanges[start:end], asked, *exchanges[end:]]


def consistent(exchanges: list[Exchange]) -> Iterator[Exchange]:
    """Drop "you have not told me" where the user has, before or after, told something."""
    told = any(exchange.kind == "told" for exchange in exchanges)
    kept = [exchange for exchange in exchanges if not (told and exchange.kind == "unknown")]
    yield from kept or exchanges[:1]


def varied(exchange: Exchange, random: Random) -> Exchange:
    """Return the exchange with a question as people type it: without the full stop, in small letters, with a please."""
    ask = exchange.ask
    if exchange.kind in ("repeat", "json"):
        return exchange
    if random.random() < 0.2:
        ask = ask.rstrip(string.punctuation) or ask
    if random.random() < 0.12 and exchange.kind not in ("told", "tool"):
        ask = ask.lower()
    elif random.random() < 0.1:
        ask = ask[0].lower() + ask[1:]
    if random.random() < 0.08:
        ask = random.choice(("Hey, {}", "So, {}", "And {}", "Please: {}", "{} Thanks!", "{} :)")).format(ask)
    return Exchange(exchange.kind, ask, exchange.answer, exchange.thought, exchange.call)
