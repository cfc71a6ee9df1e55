'''Multi-line messages: the text between """ and """ is one message.'''

from collections.abc import Iterable, Iterator
from typing import Final

QUOTES: Final = '"""'


def is_open(text: str) -> bool:
    """Return whether a message starts with the quotes and does not end with them yet."""
    text = text.strip()
    return text.startswith(QUOTES) and not (len(text) >= 2 * len(QUOTES) and text.endswith(QUOTES))


def unquote(text: str) -> str:
    """Remove the quotes around a message; an unclosed block loses the opening ones."""
    text = text.strip()
    if not text.startswith(QUOTES):
        return text
    return text.removeprefix(QUOTES).removesuffix(QUOTES).strip()


def read_messages(lines: Iterable[str]) -> Iterator[str]:
    """Join the lines of a pipe into messages: one per line, or one per block."""
    message = ""
    for line in lines:
        message += line
        if not is_open(message):
            yield message
            message = ""
    if message:
        yield message
