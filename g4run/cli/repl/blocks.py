'''Messages of several lines: what stands between """ and """ is one message.'''

from collections.abc import Iterable, Iterator
from typing import Final

QUOTES: Final = '"""'


def is_open(text: str) -> bool:
    """Whether a message began with the quotes, and no later line has ended with them yet."""
    text = text.strip()
    return text.startswith(QUOTES) and not (len(text) >= 2 * len(QUOTES) and text.endswith(QUOTES))


def unquote(text: str) -> str:
    """Take the quotes off a message, if it has them; one that was never closed loses the opening ones."""
    text = text.strip()
    if not text.startswith(QUOTES):
        return text
    return text.removeprefix(QUOTES).removesuffix(QUOTES).strip()


def read_messages(lines: Iterable[str]) -> Iterator[str]:
    """Join the lines of a pipe to messages: one a line, or one a block."""
    message = ""
    for line in lines:
        message += line
        if not is_open(message):
            yield message
            message = ""
    if message:
        yield message
