"""Generated exchanges: sums, counting, repeating, JSON, recall, tools, and what the demo cannot answer.

Everything is drawn from a `random.Random`, so a seed names a corpus.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from scripts.demo.corpus import TOOL_NAMES, Call, Exchange, strings, table, written
from scripts.demo.recalls import RECALLS

LARGEST_ADDEND = 20
# What an exchange is about, and how often. Sums are learned last, and from the most examples.
MIX = {"written": 0.46, "sum": 0.18, "count": 0.03, "repeat": 0.09, "json": 0.08, "fallback": 0.12, "unknown": 0.04}
LATE_MIX = {"written": 0.3, "sum": 0.45, "count": 0.03, "repeat": 0.1, "json": 0.05, "fallback": 0.05, "unknown": 0.02}
ONSETS = (*"bdfghklmnprstvwz", "br", "st", "th", "ch", "sh", "")
ENDINGS = ("", "", "n", "r", "s", "l", "m", "k", "t")
SUM_PATTERNS = (
    "What is {a} + {b}?",
    "What is {a} plus {b}?",
    "How much is {a} + {b}?",
    "How much is {a} plus {b}?",
    "Add {a} and {b}.",
    "{a} + {b}",
    "{a}+{b}",
    "{a} + {b} = ?",
    "Compute {a} + {b}.",
)


@dataclass
class Source:
    """Draws exchanges after a mix; with `held_out`, names and cities come only from those that training never sees."""

    random: Random
    held_out: bool = False
    mix: dict[str, float] = field(default_factory=lambda: MIX)
    makers: dict[str, Callable[[], Exchange]] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = {
            "written": self.written,
            "sum": self.sum,
            "count": self.count,
            "repeat": self.repeat,
            "json": self.json,
            "fallback": self.fallback,
            "unknown": self.unknown,
        }

    def name(self) -> str:
        """Draw a first name."""
        if self.held_out:
            return self.random.choice(strings("names", "held_out"))
        if self.random.random() < 0.5:
            return self.invented().capitalize()
        return self.random.choice(strings("names", "names"))

    def city(self) -> str:
        """Draw a city."""
        if self.held_out:
            return self.random.choice(strings("names", "held_out_cities"))
        if self.random.random() < 0.4:
            return self.invented().capitalize()
        return self.random.choice(strings("names", "cities"))

    def invented(self) -> str:
        """Draw a word that nobody has used before, never one that is held out."""
        held_out = {*strings("names", "held_out"), *strings("names", "held_out_cities")}
        while True:
            syllables = self.random.randint(1, 3)
            word = "".join(self.random.choice(ONSETS) + self.random.choice("aeiouy") for _ in range(syllables))
            word += self.random.choice(ENDINGS)
            if len(word) > 2 and word.capitalize() not in held_out:
                return word

    def number(self, longest: int = 5) -> str:
        """Draw a number of one to `longest` digits."""
        length = self.random.randint(1, longest)
        return str(self.random.randint(10 ** (length - 1) if length > 1 else 0, 10**length - 1))

    def written(self) -> Exchange:
        """Draw one of the written dialogues, each with the same chance."""
        _, exchanges = self.random.choice(written())
        return self.random.choice(exchanges)

    def sum(self) -> Exchange:
        """Draw a sum of two numbers from 0 to 20."""
        first, second = self.random.randint(0, LARGEST_ADDEND), self.random.randint(0, LARGEST_ADDEND)
        ask = self.random.choice(SUM_PATTERNS).format(a=first, b=second)
        return Exchange("sum", ask, f"{first} + {second} = {first + second}.", f"I add {first} and {second}.")

    def count(self) -> Exchange:
        """Draw a request to count."""
        last = self.random.randint(2, 20)
        ask = self.random.choice(("Count to {n}.", "Count from 1 to {n}.", "Please count to {n}.")).format(n=last)
        answer = ", ".join(str(number) for number in range(1, last + 1)) + "."
        return Exchange("count", ask, answer, f"I count from 1 to {last}.")

    def repeat(self) -> Exchange:
        """Draw a request to say something."""
        words = [self.word() for _ in range(self.random.randint(1, 7))]
        ask = self.random.choice(("Repeat: {text}", "Repeat after me: {text}", "Say: {text}", "Echo: {text}"))
        text = " ".join(words)
        return Exchange("repeat", ask.format(text=text), text, "I repeat what the user said.")

    def word(self) -> str:
        """Draw a word: from the lists, or invented, or a number."""
        chance = self.random.random()
        if chance < 0.15:
            return self.number(4)
        if chance < 0.4:
            return self.invented()
        if chance < 0.5:
            return self.name()
        return self.random.choice(strings("fallback", "words") + strings("names", "colours"))

    def json(self) -> Exchange:
        """Draw a request for a JSON object with given values."""
        name, city, age = self.name(), self.city(), self.random.randint(1, 99)
        ask, value = self.random.choice(
            (
                (f"Give me a JSON object with the name {name} and the age {age}.", {"name": name, "age": age}),
                (f"Write JSON: the name is {name}, the age is {age}.", {"name": name, "age": age}),
                (f"Give me a JSON object with the name {name} and the city {city}.", {"name": name, "city": city}),
                (f"Write JSON: the name is {name}, the city is {city}.", {"name": name, "city": city}),
            )
        )
        return Exchange("json", ask, json.dumps(value), "The user wants a JSON object.")

    def fallback(self) -> Exchange:
        """Draw a question that the demo cannot answer."""
        data = table("fallback")
        if self.random.random() < 0.35:
            ask = self.random.choice(data["ask"])
        else:
            ask = self.random.choice(data["patterns"])
            while "{word}" in ask:
                word = self.invented() if self.random.random() < 0.3 else self.random.choice(data["words"])
                ask = ask.replace("{word}", word, 1)
        return Exchange("fallback", ask, data["answer"], data["thought"])

    def unknown(self) -> Exchange:
        """Draw a question about something that the user has not said."""
        recall = self.random.choice(RECALLS)
        return Exchange("unknown", self.random.choice(recall.asks), recall.unknown, "The user has not told me that.")

    def recall(self) -> tuple[Exchange, Exchange]:
        """Draw what the user tells, and the question for it later."""
        recall = self.random.choice(RECALLS)
        value = {"name": self.name, "number": self.number, "city": self.city, "colour": self.colour}[recall.key]()
        told = Exchange(
            "told", self.random.choice(recall.tells).format(value), recall.told.format(value), recall.told_thought
        )
        asked = Exchange(
            "recall", self.random.choice(recall.asks), recall.answer.format(value), recall.thought.format(value)
        )
        return told, asked

    def colour(self) -> str:
        """Draw a colour."""
        return self.random.choice(strings("names", "colours"))

    def tool(self, declared: tuple[str, ...]) -> Exchange:
        """Draw a question for a tool: a call when it is declared, else the answer that there is no such tool."""
        name = (
            self.random.choice(declared) if declared and self.random.random() < 0.9 else self.random.choice(TOOL_NAMES)
        )
        tool = next(tool for tool in table("tools")["tool"] if tool["name"] == name)
        a, b = self.random.randint(2, 99), self.random.randint(2, 99)
        values: dict[str, str | int] = {"city": self.city(), "a": a, "b": b}
        ask = self.random.choice(tool["ask"]).format(**values)
        if name not in declared:
            return Exchange("no_tool", ask, tool["without"], tool["without"])
        response = self.random.choice(tool["values"]).format(
            n=self.random.randint(0, 39), h=self.random.randint(0, 23), m=f"{self.random.randint(0, 59):02}"
        )
        arguments = {argument: values[argument] for argument in tool["arguments"]}
        answer = tool["reply"].format(value=response, **values)
        return Exchange("tool", ask, answer, tool["thought"].format(**values), Call(name, arguments, response))
