"""Completes an answer under a grammar, so that it is valid within its token limit."""

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

_MARGIN = 256  # tokens between the known ending and the limit; with less, each drawn token is checked
_MAX_SECONDS = 0.25  # of computing for one ending; most take 0.1 ms, and a search that fails is not soon repeated
_TRIED_FIRST = b"@:./-"  # bytes that addresses, dates and file names need
_NOT_TRIED = b"\\"  # in JSON any byte may follow it, and a quote then closes nothing

# The words that a grammar spells out, which an ending may need: at most 100 of 200 characters, from its first 20,000
# atoms. Comments are skipped.
_MAX_WORDS, _MAX_WORD_LENGTH, _MAX_ATOMS = 100, 200, 20_000
_LITERAL = re.compile(r'//.*|("(?:[^"\\\n]|\\.)*"|/(?:[^/\\\n]|\\.)+/)')
_ATOM = re.compile(
    r"\\+[uU]\{?(?P<code>[0-9a-fA-F]{4,8})\}?|\\+(?P<escaped>[^\\])|(?P<any>\.|\[\^(?:\\.|[^\]\\]){1,99}\])"
    r"|\[(?P<first>\\?.)(?:\\.|[^\]\\]){0,99}\]|\{(?P<count>\d{1,3})[\d,]*\}|(?P<optional>\?)"
    r"|(?P<group>\(\?\w*:|[()])|(?P<mark>[|*+^$/\"\s])|(?P<plain>.)"
)


class Completion:
    """Keeps a valid ending of one answer ready, and replaces drawn tokens by it when the limit gets near.

    An ending takes the tokens that the grammar forces, and at each choice the first of a list that mostly closes
    something: it is short, but not the shortest. If none is found or fits, drawn tokens are left as they are.

    `has_intervened` says that a drawn token was replaced.
    """

    def __init__(self, tokens: TokenSet, lark: str) -> None:
        self._tokens = tokens
        self._lark = lark
        self._end = tokens.ends[0]
        tags = sorted(tokens.tags, key=lambda tag: not tag.endswith(b"|>"))
        brackets, quotes, separators = (tuple(map(tokens.bytes.__getitem__, each)) for each in (b"}]", b'"', b",:"))
        self._text_closers = (*map(tokens.tags.__getitem__, tags), *quotes, *tokens.ends)
        self._closers = (*brackets, *self._text_closers, *separators)
        self._next_check = sys.maxsize  # with more tokens left there is room for an ending, or none is known
        self.plan: list[int] | None = None  # the ending from here, if known
        self.has_intervened = False

    def plan_ending(self, matcher: "LLMatcher", left: int) -> bool:
        """Find an ending of at most `left` tokens from here; return whether there is one."""
        self.plan = self._find(matcher, left)
        return self.plan is not None

    def choose(self, matcher: "LLMatcher", token: int, left: int) -> int:
        """Return the drawn token if an ending fits after it, else the next token of one; `left` may still come."""
        if token in self._tokens.ends:
            return token
        if left > self._next_check:
            self.plan = None
            return token
        after = self._plan_after(matcher, token, left - 1)
        if after is not None:
            self.plan = after
            self._next_check = (left + len(after) + _MARGIN) // 2
            return token
        if self.plan is None and not self.plan_ending(matcher, left):
            self._next_check = left // 2
            return token
        return self.take()

    def take(self) -> int:
        """Return the next token of the planned ending, and an end token after it."""
        self.has_intervened = True
        return self.plan.pop(0) if self.plan else self._end

    def _plan_after(self, matcher: "LLMatcher", token: int, left: int) -> list[int] | None:
        """Find an ending after this token: mostly the present plan, or the rest of it."""
        plan = self.plan
        if plan and plan[0] == token:
            return plan[1:]
        if plan is not None and len(plan) <= left:
            path = [token, *plan, self._end]
            if matcher.validate_tokens(path) == len(path):
                return plan
        walker = matcher.deep_copy()
        return self._find(walker, left) if walker.consume_token(token) else None

    def _find(self, matcher: "LLMatcher", limit: int) -> list[int] | None:
        walker, found, used = matcher.deep_copy(), list[int](), Counter[int]()
        until = time.thread_time() + _MAX_SECONDS
        while not walker.is_accepting():
            step = self._step(walker, used)
            if not step or len(found) + len(step) > limit or time.thread_time() > until:
                return None
            if not walker.consume_tokens(step):
                return None
            found += step
        return found

    def _step(self, walker: "LLMatcher", used: "Counter[int]") -> list[int]:
        """Return forced tokens, else a closer, else a step after which one can follow, else the least used step."""
        forced = walker.compute_ff_tokens()
        if count := walker.validate_tokens(forced):
            return forced[:count]
        is_text = walker.validate_tokens([self._tokens.bytes[ord("x")]]) > 0  # then brackets are text, too
        closers = self._text_closers if is_text else self._closers
        for token in closers:
            if walker.validate_tokens([token]):
                return [token]
        steps = [step for step in self._steps if walker.validate_tokens(step) == len(step)]
        for step in steps:
            if any(walker.validate_tokens([*step, token]) > len(step) for token in closers):
                return step
        chosen = min(steps, key=lambda step: used[step[0]], default=[])
        used.update(chosen[:1])
        return chosen

    @cached_property
    def _steps(self) -> list[list[int]]:
        """All single bytes, and the words of the grammar."""
        of_bytes, tokenizer = self._tokens.bytes, self._tokens.tokenizer
        order = sorted(of_bytes, key=lambda each: (each not in _TRIED_FIRST, not 0x20 < each < 0x7F, each < 0x80, each))
        words = (tokenizer.tokenize_bytes(word.encode("utf-8", "replace")) for word in _words(self._lark))
        return [*([of_bytes[byte]] for byte in order if byte not in _NOT_TRIED), *words]


def _words(lark: str) -> Iterator[str]:
    """Yield the literals of a grammar, and a simple text for each part of its regular expressions."""
    found: dict[str, None] = {}
    word = ""
    literals = sorted(filter(None, _LITERAL.findall(lark)), key=lambda literal: not literal.startswith("/"))
    for atom in islice((atom for literal in literals for atom in _ATOM.finditer(literal)), _MAX_ATOMS):
        if atom["mark"]:
            found[word[:_MAX_WORD_LENGTH]] = None
            word = ""
        elif atom["count"]:
            word = word[:-1] + word[-1:] * min(int(atom["count"]), _MAX_WORD_LENGTH)
        elif atom["optional"]:
            word = word[:-1]
        elif not atom["group"]:
            word += _example(atom)
    return (word for word in list(found)[:_MAX_WORDS] if len(word) > 1)


def _example(atom: "re.Match[str]") -> str:
    """Return a character that an atom matches."""
    if atom["code"]:
        return chr(min(int(atom["code"], 16), sys.maxunicode))
    return "a" if atom["any"] else (atom["escaped"] or atom["first"] or atom["plain"])[-1]
