"""Constrained decoding: what may come next in an answer under a grammar, and how the answer ends."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from g4run.engine.grammar_check import compiled
from g4run.engine.log import note
from g4run.engine.sampling.completion import Completion
from g4run.engine.sampling.draw import SamplerChain
from g4run.engine.sampling.repetition import RepetitionBound
from g4run.engine.sampling.token_table import TokenTable
from g4run.engine.sampling.top_k import FloatArray

if TYPE_CHECKING:
    from llguidance import LLMatcher


_MOST_SECONDS = 1.0  # of computing for one token; an ambiguous grammar takes ever more


class Constraint:
    """Holds one answer to its grammar, from its first token after the thought.

    The grammar is compiled beside the decode loop; the first draw waits for it. `ended_by` is None while the answer may
    go on and where it ends by itself; 'refused' where the grammar cannot be used, for the reason in `refusal`; 'length'
    where the answer was completed because its token limit came, 'loop' where it repeated itself, 'failed' where the
    grammar became too complex to follow.
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
        """The next tokens where the grammar leaves no choice of text."""
        return [] if self._matcher is None else self._matcher.deep_copy().compute_ff_tokens()

    def draw(self, chain: SamplerChain, logits: FloatArray, drawn: int, left: int | None) -> int | None:
        """The token to take where this one was drawn freely, None if there is none.

        That is the drawn one if it is permitted, else one drawn from those that are; unless the answer could then not
        be completed within the `left` tokens that it may have.
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
        """Go on after a token that was taken."""
        assert self._matcher is not None and self._completion is not None
        self._matcher.consume_token(token)
        seconds = time.thread_time() - self._started
        if self._matcher.is_error() or seconds > _MOST_SECONDS:
            note(f"g4run: the grammar is too complex: {seconds:.1f} s for a token; {self._matcher.get_error()}\n")
            self.ended_by = "failed"
            return
        if not self._is_looping and self._bound.accept(token, self._piece_of(token)):
            self._is_looping = True
            if not self._completion.plan_ending(self._matcher, self._left):
                self.ended_by = "loop"
        if self._is_looping and not self._completion.plan:
            self.ended_by = "loop"
        elif self._completion.has_intervened and (self.is_finished or token in self._table.tokens.ends):
            self.ended_by = "length"

    def _begin(self) -> bool:
        try:
            self._matcher = compiled(self._compiling)
        except ValueError as error:
            self.ended_by, self.refusal = "refused", str(error)
            return False
        self._completion = Completion(self._table.tokens, self._grammar)
        return True

    def _draw_permitted(self, chain: SamplerChain, logits: FloatArray) -> int | None:
        """Draw from the tokens that the grammar permits."""
        assert self._matcher is not None
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        if self._matcher.is_error():
            return None
        permitted = np.flatnonzero(np.unpackbits(bits, count=self._table.size, bitorder="little").view(np.bool_))
        place = chain.draw(logits[permitted]) if permitted.size else None
        return None if place is None else int(permitted[place])
