"""Drawing the next token of one request: adjusted, cut to the likeliest, drawn, and held to grammar and budget."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it
import numpy as np

from g4run.engine.choice import Choice
from g4run.engine.grammar import Grammar
from g4run.engine.llama import Context
from g4run.engine.parameters import MOST_CUT, GenerationParameters
from g4run.engine.penalties import Adjustments
from g4run.engine.pieces import piece_of
from g4run.engine.ranking import FloatArray, IndexArray
from g4run.engine.repetition import RepetitionBound
from g4run.engine.thinking_budget import Thought


class Sampler:
    """Draws for one request, one token after the other; used by the thread that owns the context.

    `ended_by` is None while the answer may go on, 'loop' after whitespace or a repetition without end inside a grammar,
    and 'failed' where the grammar is too ambiguous to be followed on, or there is no token to draw: all are forbidden,
    the grammar has none for what it asks, or the logits are not numbers; then the vocabulary's end token is given.
    """

    def __init__(
        self,
        parameters: GenerationParameters,
        vocabulary: int,
        suppressed: Sequence[int] = (),
        prompt: Sequence[int] = (),
    ) -> None:
        """`suppressed` are never drawn; `prompt` is what penalties look back on.

        Raises ValueError for a grammar that cannot be followed, and for tokens that the vocabulary does not have.
        """
        self._vocabulary = vocabulary
        self._suppressed = np.array(suppressed, np.intp)
        piece = partial(piece_of, vocabulary)
        _check_tokens(parameters, int(C.llama_vocab_n_tokens(vocabulary)))
        self._adjustments = Adjustments(parameters.sampling, piece, prompt)
        self._thought = Thought(parameters.thought, parameters.thinking_budget, piece)
        self._grammar = None if parameters.grammar is None else Grammar(parameters.grammar, vocabulary)
        self._bound = RepetitionBound()
        self._choice = Choice(parameters.sampling)
        self._reports_logprobs = parameters.logprobs is not None
        self.ended_by: str | None = None

    @property
    def needs_rows(self) -> bool:
        """Whether more of a row matters than its likeliest tokens."""
        deciding = self._choice.candidates
        looks_beyond = self._adjustments.is_needed or self._grammar is not None or self._reports_logprobs
        return looks_beyond or deciding is None or deciding > MOST_CUT

    def draw(self, context: Context, index: int) -> int:
        """The token after the batch's token at `index`, accepted."""
        return self.draw_from(context.logits(index))

    def draw_from(self, logits: FloatArray) -> int:
        """The token to follow, accepted. The row is left as it was, but for -inf where tokens are suppressed."""
        token = self._thought.forced
        if token is None:
            logits[self._suppressed] = -np.inf
            with self._adjustments.applied(logits) if self._adjustments.is_needed else nullcontext():
                token = self._draw(logits)
        return self._taken(token)

    def draw_among(self, tokens: IndexArray, logits: FloatArray) -> int:
        """The same token from the likeliest alone, by id, where no rows are needed: MOST_CUT and the suppressed ones.

        These are -inf in `logits` then.
        """
        token = self._thought.forced
        if token is None:
            if self._suppressed.size:
                logits[np.isin(tokens, self._suppressed)] = -np.inf
            place = self._choice.draw(logits)
            token = None if place is None else int(tokens[place])
        return self._taken(token)

    @property
    def is_finished_by_grammar(self) -> bool:
        """Whether the grammar is complete, so that only an end token can follow."""
        return not self._thought.is_open and self._grammar is not None and self._grammar.is_finished

    def close(self) -> None:
        """Free what llama.cpp keeps."""
        self._choice.close()
        if self._grammar is not None:
            self._grammar.close()

    @property
    def _end_token(self) -> int:
        turn_end = int(C.llama_vocab_eot(self._vocabulary))
        return turn_end if turn_end >= 0 else int(C.llama_vocab_eos(self._vocabulary))

    def _draw(self, logits: FloatArray) -> int | None:
        """Draw freely, test that one token, and only if it is rejected draw again from what is permitted."""
        token = self._choice.draw(logits)
        if self._grammar is None or token is None:
            return token
        if self._thought.is_open:
            return self._within_thought(token)
        if self._thought.opens_with(token) or self._grammar.permits(token):
            return token
        permitted = self._grammar.permitted(logits, self._choice.candidates)
        place = self._choice.draw(logits[permitted]) if permitted.size else None
        return None if place is None else int(permitted[place])

    def _within_thought(self, token: int) -> int:
        """An answer that ends inside its thought would not be what the grammar asks for: the thought is closed."""
        if C.llama_vocab_is_eog(self._vocabulary, token):
            self._thought.close()
        return token if self._thought.forced is None else self._thought.forced

    def _taken(self, token: int | None) -> int:
        """The token, accepted; the end token where there was none to draw."""
        if token is None:
            self.ended_by = "failed"
            return self._end_token
        self._accept(token)
        return token

    def _accept(self, token: int) -> None:
        if self._adjustments.is_needed:
            self._adjustments.accept(token)
        is_of_answer = not self._thought.is_open and not self._thought.opens_with(token)
        self._thought.accept(token)
        if is_of_answer and self._grammar is not None:
            self._grammar.accept(token)
            if self._bound.accept(token, piece_of(self._vocabulary, token)):
                self.ended_by = "loop"
            if self._grammar.is_too_slow:
                self.ended_by = "failed"


def _check_tokens(parameters: GenerationParameters, size: int) -> None:
    named = [token for token, _ in parameters.sampling.logit_bias]
    if parameters.thought is not None:
        named += [parameters.thought.opening, *parameters.thought.closing]
    for token in named:
        if not 0 <= token < size:
            raise ValueError(f"the vocabulary has no token {token}")
