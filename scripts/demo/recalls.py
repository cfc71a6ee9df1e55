"""What the user may tell and ask for later."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recall:
    """Something that the user tells and asks for later; `{}` is its value."""

    key: str
    tells: tuple[str, ...]
    told: str
    told_thought: str
    asks: tuple[str, ...]
    answer: str
    thought: str
    unknown: str


RECALLS = (
    Recall(
        "name",
        ("My name is {}.", "I am {}.", "Hello, my name is {}.", "Hi, I am {}.", "You can call me {}.", "I'm {}."),
        "Nice to meet you, {}!",
        "The user tells me a name.",
        ("What is my name?", "Who am I?", "Do you remember my name?", "What's my name?", "Tell me my name."),
        "Your name is {}.",
        "The user said that the name is {}.",
        "You have not told me your name.",
    ),
    Recall(
        "number",
        ("Remember the number {}.", "My number is {}.", "Keep the number {} in mind.", "The number is {}."),
        "I will remember the number {}.",
        "The user tells me a number.",
        ("What is my number?", "Which number did I tell you?", "What was the number?", "Do you remember the number?"),
        "The number is {}.",
        "The user said that the number is {}.",
        "You have not told me a number.",
    ),
    Recall(
        "city",
        ("I live in {}.", "I am from {}.", "My home is in {}.", "I come from {}."),
        "I hear that {} is a nice place.",
        "The user tells me a place.",
        ("Where do I live?", "Which city do I live in?", "Where am I from?", "Do you remember where I live?"),
        "You live in {}.",
        "The user said that the place is {}.",
        "You have not told me where you live.",
    ),
    Recall(
        "colour",
        ("My favourite colour is {}.", "I like {} best.", "I love the colour {}."),
        "I will remember that you like {}.",
        "The user tells me a colour.",
        ("What is my favourite colour?", "Which colour do I like?", "Do you remember my colour?"),
        "You like {} best.",
        "The user said that the colour is {}.",
        "You have not told me your favourite colour.",
    ),
)
