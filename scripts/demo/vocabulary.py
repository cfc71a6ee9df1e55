"""The demo's vocabulary, learned from the written dialogues and from what surrounds them."""

import re
from collections.abc import Iterator
from random import Random

from scripts.demo.corpus import TOOL_NAMES, Conversation, Exchange, table, written
from scripts.demo.generators import Source
from scripts.demo.recalls import RECALLS
from scripts.demo.rendering import render_conversation
from scripts.demo.tokenizer import SPECIAL, SPECIAL_TOKENS, Tokenizer, learn_merges

FIELD = re.compile(r"\{\w+\}")
SIZE = 1280
DRAWN = 30
SURROUNDINGS = (
    *("user", "model", "system", "thought", "name", "city", "age", '"name"', "response", "value", "call"),
    *("get_weather", "get_time"),
)
"""What every conversation holds; with the tools' declarations it counts `WEIGHT` times, so that it takes few tokens."""
WEIGHT = 12


def build() -> Tokenizer:
    """Learn a vocabulary of `SIZE` tokens."""
    merges = learn_merges(texts(), 4 * SIZE)
    count = len(merges)
    while len(Tokenizer(merges[:count]).tokens) > SIZE:
        count -= 1
    return Tokenizer(merges[:count])


def texts() -> Iterator[str]:
    """Yield what merges are learned from: words of names and cities stay in pieces, so that unseen ones look alike."""
    for _, exchanges in written():
        for exchange in exchanges:
            yield from (exchange.ask, " " + exchange.answer, exchange.thought)
    fallback = table("fallback")
    yield from (*fallback["ask"], *fallback["patterns"], fallback["answer"], fallback["thought"])
    yield from table("names")["colours"]
    source = Source(Random(0))
    for maker in (source.sum, source.count, source.unknown):
        for exchange in (maker() for _ in range(DRAWN)):
            yield from (exchange.ask, exchange.answer, exchange.thought)
    for recall in RECALLS:
        yield from (text.replace("{}", "") for text in (*recall.tells, recall.told, recall.answer, recall.thought))
    for tool in table("tools")["tool"]:
        yield from (FIELD.sub("", text) for text in (*tool["ask"], *tool["values"], tool["reply"], tool["thought"]))
    yield from SURROUNDINGS * WEIGHT
    yield from [*declarations()] * WEIGHT


def declarations() -> Iterator[str]:
    """Yield the text of a conversation that declares every tool, without its special tokens."""
    conversation = Conversation((Exchange("", "", "", "user"),), "model", TOOL_NAMES, True)
    yield from (part for part in SPECIAL.split(render_conversation(conversation)) if part not in SPECIAL_TOKENS)
