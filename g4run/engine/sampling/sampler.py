"""Draws the next token of one request: penalties, sampler chain, constrained decoding, thinking budget."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np

from g4run.engine.llama.vocabulary import piece_of
from g4run.engine.parameters import GenerationParameters
from g4run.engine.sampling.constraint import Constraint
from g4run.engine.sampling.draw import SamplerChain
from g4run.engine.sampling.penalties import Penalties
from g4run.engine.sampling.thinking_budget import ThinkingBudget
from g4run.engine.sampling.token_table import TokenTable, end_token
from g4run.engine.sampling.top_k import FloatArray


class Sampler:
    """Draws for one request, one token after the other; used by the thread that owns the context.

    `ended_by` is None while the answer may continue, Constraint's value inside a grammar, and 'failed' if no token can
    be drawn: all are forbidden, the grammar permits none of the others, or the logits are not numbers. Then, and if a
    grammar is refused, `draw_from` returns the vocabulary's end token.
    """

    def __init__(
        self,
        parameters: GenerationParameters,
        table: TokenTable,
        suppressed: Sequence[int] = (),
        prompt: Sequence[int] = (),
        most_tokens: int | None = None,
    ) -> None:
        """Start compiling a grammar. Raises ValueError for tokens that the vocabulary does not have.

        `suppressed` are never drawn, penalties look back on `prompt`, and at most `most_tokens` will be drawn.
        """
        self._vocabulary = vocabulary = table.vocabulary
        self._suppressed = np.array(suppressed, np.intp)
        piece = partial(piece_of, vocabulary)
        _check_tokens(parameters, table.size)
        self._adjustments = Penalties(parameters.sampling, piece, prompt)
        self._thought = ThinkingBudget(parameters.thought, parameters.thinking_budget, piece)
        grammar = parameters.grammar
        self._constraint = None if grammar is None else Constraint(grammar, table, piece)
        self._left = most_tokens
        self._chain = SamplerChain(parameters.sampling)
        self.ended_by: str | None = None

    def draw_from(self, logits: FloatArray) -> int:
        """Draw and accept the next token. Leaves the row as it was, but for -inf where tokens are suppressed."""
        token = self._thought.forced
        if token is None:
            logits[self._suppressed] = -np.inf
            with self._adjustments.applied(logits) if self._adjustments.is_needed else nullcontext():
                token = self._draw(logits)
        if token is None:
            self.ended_by = "refused" if self.refusal else "failed"
            return end_token(self._vocabulary)
        self._accept(token)
        return token

    @property
    def refusal(self) -> str:
        """Why the grammar cannot be used, or an empty string; known after the first draw under it."""
        return "" if self._constraint is None else self._constraint.refusal

    @property
    def is_finished_by_grammar(self) -> bool:
        """Whether the grammar is complete, so that only an end token can follow."""
        return not self._thought.is_open and self._constraint is not None and self._constraint.is_finished

    def forced_tokens(self) -> list[int]:
        """Return the next tokens if the grammar leaves no choice of text."""
        return [] if self._constraint is None or self._thought.is_open else self._constraint.forced_tokens()

    def close(self) -> None:
        """Free the sampler chain."""
        self._chain.close()

    def _draw(self, logits: FloatArray) -> int | None:
        """Draw freely, test that one token, and only if it is rejected draw again from what is permitted."""
        token = self._chain.draw(logits)
        if self._constraint is None or token is None:
            return token
        if self._thought.is_open:
            return self._within_thought(token)
        if self._thought.opens_with(token):
            return token
        return self._constraint.draw(self._chain, logits, token, self._left)

    def _within_thought(self, token: int) -> int:
        """Return the token; if it ends the answer, close the thought instead, because the grammar's answer follows."""
        if C.llama_vocab_is_eog(self._vocabulary, token):
            self._thought.close()
        return token if self._thought.forced is None else self._thought.forced

    def _accept(self, token: int) -> None:
        if self._adjustments.is_needed:
            self._adjustments.accept(token)
        is_of_answer = not self._thought.is_open and not self._thought.opens_with(token)
        self._thought.accept(token)
        self._left = None if self._left is None else self._left - 1
        if is_of_answer and self._constraint is not None:
            self._constraint.accept(token)
            self.ended_by = self._constraint.ended_by


def _check_tokens(parameters: GenerationParameters, size: int) -> None:
    named = [token for token, _ in parameters.sampling.logit_bias]
    if parameters.thought is not None:
        named += [parameters.thought.opening, *parameters.thought.closing]
    for token in named:
        if not 0 <= token < size:
            raise ValueError(f"the vocabulary has no token {token}")
