"""Completes an answer under a grammar to a valid one within its token limit."""

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from g4run.engine.sampling.token_table import TokenSet

if TYPE_CHECKING:
    from llguidance import LLMatcher

_CLOSE = 256  # tokens between the limit and the known ending; below, each drawn token is checked
_MOST_SECONDS = 0.05  # of computing for one ending; most take 0.1 ms
_MOST_WORDS, _LONGEST_WORD = 100, 200  # of a grammar that are tried as the end of a text
_MOST_ATOMS = 20_000  # that are read to find them
_TRIED_FIRST = b"@:./-"  # bytes that lead on in addresses, dates, and names of files
_NOT_TRIED = b"\\"  # in JSON any byte may follow it, the quote included, which then closes nothing
_LITERAL = re.compile(r'//.*|("(?:[^"\\\n]|\\.)*"|/(?:[^/\\\n]|\\.)+/)')  # of Lark, comments passed over
_ATOM = re.compile(
    r"\\+[uU]\{?(?P<code>[0-9a-fA-F]{4,8})\}?|\\+(?P<escaped>[^\\])|\[(?P<negated>\^)?(?P<first>\\?.)(?:\\.|[^\]\\]){0,99}\]"
    r"|\{(?P<count>\d{1,3})[\d,]*\}|(?P<optional>\?)|(?P<any>\.)|(?P<mark>[|*+^$/\"\s])"
    r"|(?P<group>\(\?\w*:|[()])|(?P<plain>.)"
)


class Completion:
    """Keeps a valid ending of one answer at hand, and takes its tokens in place of drawn ones when room gets short.

    The ending is a good one, not the shortest: forced tokens as they are, else the first of a list of tokens that
    mostly close something. Where none is found or none fits, drawn tokens are left as they are.

    `has_intervened` says that a token was taken in another's place.
    """

    def __init__(self, tokens: TokenSet, lark: str) -> None:
        of_bytes = tokens.bytes
        tags = [tokens.tags[tag] for tag in sorted(tokens.tags, key=lambda tag: not tag.endswith(b"|>"))]
        self._lark = lark
        self._tokens = tokens
        self._ends = tokens.ends
        self._quotes = (*tags, of_bytes[ord('"')], *tokens.ends)
        self._structure = (*(of_bytes[byte] for byte in b"}]"), *self._quotes, *(of_bytes[byte] for byte in b",:"))
        self._letter = of_bytes[ord("x")]
        self._plan: list[int] | None = None  # an ending from here, if one is known
        self._next_check: int | None = None  # tokens left; while more are, an ending fits for certain or not at all
        self.has_intervened = False

    @cached_property
    def _steps(self) -> list[list[int]]:
        """What may lead on where nothing closes: each byte, and what the grammar spells out."""
        of_bytes, tokenizer = self._tokens.bytes, self._tokens.tokenizer
        order = sorted(of_bytes, key=lambda each: (each not in _TRIED_FIRST, not 0x20 < each < 0x7F, each < 0x80, each))
        words = (tokenizer.tokenize_bytes(word.encode("utf-8", "replace")) for word in _words(self._lark))
        return [*([of_bytes[byte]] for byte in order if byte not in _NOT_TRIED), *words]

    @property
    def plan(self) -> list[int] | None:
        """The ending from here, if one was looked for and found."""
        return self._plan

    def plan_ending(self, matcher: "LLMatcher", left: int) -> bool:
        """Find an ending of at most `left` tokens from here; False where there is none."""
        self._plan = self._find(matcher, left)
        return self._plan is not None

    def choose(self, matcher: "LLMatcher", token: int, left: int) -> int:
        """The token to take where this one was drawn, which the grammar permits, and `left` tokens may come."""
        if token in self._ends:
            return token
        if self._next_check is not None and left > self._next_check:
            self._plan = None
            return token
        after = self._plan_after(matcher, token, left - 1)
        if after is not None:
            self._plan = after
            self._next_check = (left + len(after) + _CLOSE) // 2
            return token
        if self._plan is None and not self.plan_ending(matcher, left):
            self._next_check = left // 2
            return token
        return self.take()

    def take(self) -> int:
        """The next token of the ending, an end token after its last one."""
        self.has_intervened = True
        assert self._plan is not None
        return self._plan.pop(0) if self._plan else self._ends[0]

    def _plan_after(self, matcher: "LLMatcher", token: int, left: int) -> list[int] | None:
        """An ending of at most `left` tokens behind this token: mostly that from here, or its rest."""
        plan = self._plan
        if plan and plan[0] == token:
            return plan[1:]
        if plan is not None and len(plan) <= left:
            path = [token, *plan, self._ends[0]]
            if matcher.validate_tokens(path) == len(path):
                return plan
        copy = matcher.deep_copy()
        return self._find(copy, left) if copy.consume_token(token) else None

    def _find(self, matcher: "LLMatcher", most: int) -> list[int] | None:
        walker, found, used = matcher.deep_copy(), list[int](), Counter[int]()
        until = time.thread_time() + _MOST_SECONDS
        while not walker.is_accepting():
            step = self._step(walker, used)
            if not step or len(found) + len(step) > most or time.thread_time() > until:
                return None
            if not walker.consume_tokens(step):
                return None
            found += step
        return found

    def _step(self, walker: "LLMatcher", used: "Counter[int]") -> list[int]:
        """The next tokens of an ending: what is forced, else what closes something, leads there, or was used least."""
        forced = walker.compute_ff_tokens()
        if count := walker.validate_tokens(forced):
            return forced[:count]
        # Where letters may come, brackets and commas are text.
        closers = self._quotes if walker.validate_tokens([self._letter]) else self._structure
        for token in closers:
            if walker.validate_tokens([token]):
                return [token]
        ways = [step for step in self._steps if walker.validate_tokens(step) == len(step)]
        leading = (
            step for step in ways if any(walker.validate_tokens([*step, token]) > len(step) for token in closers)
        )
        chosen = next(leading, min(ways, key=lambda step: used[step[0]], default=[]))
        used.update(chosen[:1])
        return chosen


def _words(lark: str) -> Iterator[str]:
    """What a grammar spells out: its literals, and the simplest text of each part of a regular expression."""
    found: dict[str, None] = {}
    word = ""
    literals = sorted(filter(None, _LITERAL.findall(lark)), key=lambda literal: not literal.startswith("/"))
    for atom in islice((atom for literal in literals for atom in _ATOM.finditer(literal)), _MOST_ATOMS):
        if atom["group"]:
            continue
        if atom["mark"]:
            found[word[:_LONGEST_WORD]] = None
            word = ""
        elif atom["count"]:
            word = word[:-1] + word[-1:] * min(int(atom["count"]), _LONGEST_WORD)
        else:
            word = word[:-1] if atom["optional"] else word + _simplest(atom)
    return (word for word in list(found)[:_MOST_WORDS] if len(word) > 1)


def _simplest(atom: "re.Match[str]") -> str:
    """One character that a part of a regular expression stands for."""
    if atom["code"]:
        return chr(min(int(atom["code"], 16), sys.maxunicode))
    if atom["any"] or atom["negated"]:
        return "a"
    return (atom["escaped"] or atom["first"] or atom["plain"])[-1]
