"""Constrained decoding: which tokens an answer may continue with, and how it ends."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from g4run.engine.grammar_check import await_grammar
from g4run.engine.log import note
from g4run.engine.sampling.completion import Completion
from g4run.engine.sampling.draw import SamplerChain
from g4run.engine.sampling.repetition import RepetitionBound
from g4run.engine.sampling.token_table import TokenTable
from g4run.engine.sampling.top_k import FloatArray

if TYPE_CHECKING:
    from llguidance import LLMatcher

_MAX_SECONDS = 1.0  # of computing for one token: the cost of an ambiguous grammar grows with the answer


class Constraint:
    """Applies a grammar to one answer, from its first token after the thought.

    The grammar compiles next to the decode loop, and the first draw waits for it. `ended_by` is None while the answer
    may go on or ends by itself. It is 'refused' if the grammar cannot be used, for the reason in `refusal`; 'length' or
    'loop' if the answer was completed at its token limit or because it repeated itself; 'failed' if the grammar became
    too complex.
    """

    def __init__(self, grammar: str, table: TokenTable, piece_of: Callable[[int], bytes]) -> None:
        self._grammar = grammar
        self._table = table
        self._piece_of = piece_of
        self._compiling = table.compile(grammar)
        self._matcher: LLMatcher | None = None
        self._completion: Completion | None = None
        self._bound = RepetitionBound()
        self._is_looping = False
        self._left = sys.maxsize
        self._started = 0.0
        self.ended_by: str | None = None
        self.refusal = ""

    @property
    def is_finished(self) -> bool:
        """Whether only an end token can follow."""
        return self._matcher is not None and self._matcher.is_stopped()

    def forced_tokens(self) -> list[int]:
        """Return the next tokens if the grammar allows only one text; else an empty list."""
        return [] if self._matcher is None else self._matcher.deep_copy().compute_ff_tokens()

    def draw(self, chain: SamplerChain, logits: FloatArray, drawn: int, left: int | None) -> int | None:
        """Return the token to take instead of a freely drawn one; None if there is none.

        The drawn token is kept if the grammar permits it, else another is drawn from those that it permits. Either
        gives way to a completion if the answer could not be completed within its `left` tokens otherwise.
        """
        if self._matcher is None and not self._begin():
            return None
        assert self._matcher is not None and self._completion is not None
        self._started = time.thread_time()
        if self._is_looping:
            return self._completion.take()
        token = drawn if self._matcher.validate_tokens([drawn]) else self._draw_permitted(chain, logits)
        if token is None or left is None:
            return token
        self._left = left - 1
        return self._completion.choose(self._matcher, token, left)

    def accept(self, token: int) -> None:
        """Advance by a token that `draw` returned."""
        assert self._matcher is not None and self._completion is not None
        self._matcher.consume_token(token)
        seconds = time.thread_time() - self._started
        if self._matcher.is_error() or seconds > _MAX_SECONDS:
            note(f"g4run: the grammar is too complex: {seconds:.1f} s for a token; {self._matcher.get_error()}\n")
            self.ended_by = "failed"
            return
        if not self._is_looping and self._bound.accept(token, self._piece_of(token)):
            self._is_looping = True
            self._completion.plan_ending(self._matcher, self._left)
        if self._is_looping and not self._completion.plan:
            self.ended_by = "loop"
        elif self._completion.has_intervened and (self.is_finished or token in self._table.tokens.ends):
            self.ended_by = "length"

    def _begin(self) -> bool:
        try:
            self._matcher = await_grammar(self._compiling)
        except ValueError as error:
            self.ended_by, self.refusal = "refused", str(error)
            return False
        self._completion = Completion(self._table.tokens, self._grammar)
        return True

    def _draw_permitted(self, chain: SamplerChain, logits: FloatArray) -> int | None:
        assert self._matcher is not None
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        if self._matcher.is_error():
            return None
        permitted = np.flatnonzero(np.unpackbits(bits, count=self._table.size, bitorder="little").view(np.bool_))
        place = chain.draw(logits[permitted]) if permitted.size else None
        return None if place is None else int(permitted[place])
