"""A hand-written grammar: GBNF, Lark, or a regular expression."""

import re
from dataclasses import dataclass
from enum import StrEnum

from g4run.chat.structured_output.gbnf import read_gbnf


class GrammarNotation(StrEnum):
    """The notation of a grammar."""

    GBNF = "gbnf"
    LARK = "lark"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Grammar:
    """A grammar in llama.cpp's GBNF or llguidance's dialect of Lark, or a regular expression for the whole answer."""

    text: str
    notation: GrammarNotation = GrammarNotation.GBNF

    def write_lark(self) -> str:
        """Write it in Lark. Raises UsageError for invalid GBNF; llguidance checks the other notations."""
        match self.notation:
            case GrammarNotation.GBNF:
                return read_gbnf(self.text)
            case GrammarNotation.LARK:
                return self.text
            case GrammarNotation.REGEX:
                return f"start: /{_ESCAPABLE.sub(_escape, self.text) or '(?:)'}/\n"


_ESCAPABLE = re.compile(r"\\.|/|\n", re.DOTALL)


def _escape(found: re.Match[str]) -> str:
    """Escape what would end the expression in Lark."""
    return {"/": r"\/", "\n": r"\n"}.get(found[0], found[0])
