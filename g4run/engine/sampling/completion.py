"""Completes an answer under a grammar to a valid one within its token limit."""

import time
from collections import Counter
from typing import TYPE_CHECKING

from g4run.engine.sampling.token_table import TokenSet

if TYPE_CHECKING:
    from llguidance import LLMatcher

_CLOSE = 256  # tokens between the limit and the known ending; below, each drawn token is checked
_MOST_SECONDS = 0.05  # of looking for one ending; most take 0.1 ms


class Completion:
    """Keeps a valid ending of one answer at hand, and takes its tokens in place of drawn ones when room gets short.

    The ending is a good one, not the shortest: forced tokens as they are, else the first of a list of tokens that
    mostly close something. Where none is found or none fits, drawn tokens are left as they are.

    `has_intervened` says that a token was taken in another's place.
    """

    def __init__(self, tokens: TokenSet) -> None:
        self._tokens = tokens
        self._plan: list[int] | None = None  # an ending from here, if one is known
        self._next_check: int | None = None  # tokens left; while more are, an ending fits for certain or not at all
        self.has_intervened = False

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
        if token in self._tokens.ends:
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
        return self._plan.pop(0) if self._plan else self._tokens.ends[0]

    def _plan_after(self, matcher: "LLMatcher", token: int, left: int) -> list[int] | None:
        """An ending of at most `left` tokens behind this token: mostly that from here, or its rest."""
        plan = self._plan
        if plan and plan[0] == token:
            return plan[1:]
        if plan is not None and len(plan) <= left:
            path = [token, *plan, self._tokens.ends[0]]
            if matcher.validate_tokens(path) == len(path):
                return plan
        copy = matcher.deep_copy()
        return self._find(copy, left) if copy.consume_token(token) else None

    def _find(self, matcher: "LLMatcher", most: int) -> list[int] | None:
        walker, found, used = matcher.deep_copy(), list[int](), Counter[int]()
        until = time.monotonic() + _MOST_SECONDS
        while not walker.is_accepting():
            step = self._step(walker, used)
            if not step or len(found) + len(step) > most or time.monotonic() > until:
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
        tokens = self._tokens
        closers = (*tokens.quotes, *tokens.ends)
        if not walker.validate_tokens([tokens.letter]):  # where letters may come, brackets and commas are text
            closers = (*tokens.brackets, *closers, *tokens.separators)
        for token in closers:
            if walker.validate_tokens([token]):
                return [token]
        ways = [token for token in tokens.singles if walker.validate_tokens([token])]
        if not ways:
            return []
        leading = (each for each in ways if any(walker.validate_tokens([each, closer]) == 2 for closer in closers))
        chosen = next(leading, min(ways, key=used.__getitem__))
        used[chosen] += 1
        return [chosen]
