"""An answer that is held to a grammar: what may come next, where it goes round in circles, how it comes to an end."""

from collections.abc import Callable

import llama_cpp.llama_cpp as C  # noqa: N812 - the C API, as llama.cpp's documentation calls it

from g4run.engine.closing import Closing
from g4run.engine.llama.vocabulary import tokens_of
from g4run.engine.sampling.draw import SamplerChain
from g4run.engine.sampling.grammar import Grammar
from g4run.engine.sampling.pieces import index_first_bytes
from g4run.engine.sampling.repetition import RepetitionBound
from g4run.engine.sampling.top_k import FloatArray


class HeldAnswer:
    """One answer, from its first token after the thought. An answer that must end is closed by the shortest way.

    `ended_by` is None while it may go on and where it ends by itself; 'length' where it was closed for want of tokens,
    'loop' where it said the same again and again, 'failed' where the grammar is too ambiguous to be followed on.
    """

    def __init__(self, grammar: str, vocabulary: int, piece_of: Callable[[int], bytes]) -> None:
        """Raises ValueError for a grammar that cannot be followed."""
        self._grammar = Grammar(grammar, vocabulary)
        self._vocabulary = vocabulary
        self._piece_of = piece_of
        index = index_first_bytes(vocabulary, int(C.llama_vocab_n_tokens(vocabulary)))
        self._controls = frozenset(index.controls.tolist())
        self._closing = Closing(
            grammar=self._grammar.read,
            limit=None,
            tokenize=self._tokenize,
            piece_of=piece_of,
            token_ids=self._grammar.token_ids,
            ends=sorted(index.ends.tolist(), key=end_token(vocabulary).__ne__),
            byte_tokens=index.singles,
        )
        self._bound = RepetitionBound()
        self._has_begun = self._goes_in_circles = False
        self.ended_by: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether only an end token can follow."""
        return self._grammar.is_finished

    def draw(self, choice: SamplerChain, logits: FloatArray, drawn: int, left: int | None) -> int | None:
        """The token to take where this one was drawn freely, None if there is none.

        That is the drawn one if it is permitted, else one drawn from those that are; unless the answer could then not
        be closed within the `left` tokens that it may have.
        """
        if not self._has_begun and left is not None:
            self._closing.limit_to(left + 1)  # the end token need not be among them
        self._has_begun = True
        if not self._grammar.permits(drawn):
            permitted = self._grammar.permitted(logits, choice.candidates)
            place = choice.draw(logits[permitted]) if permitted.size else None
            if place is None:
                return None
            drawn = int(permitted[place])
        return self._closing.choose(drawn)

    def accept(self, token: int) -> None:
        """Go on after a token that was taken."""
        self._grammar.accept(token)
        self._closing.accept(token)
        if self._bound.accept(token, self._piece_of(token)) and not self._goes_in_circles:
            self._goes_in_circles = True
            if not self._closing.close():
                self.ended_by = "loop"
        is_brought_to_an_end = self._goes_in_circles or self._closing.is_closing
        if is_brought_to_an_end and (C.llama_vocab_is_eog(self._vocabulary, token) or self.is_finished):
            self.ended_by = "loop" if self._goes_in_circles else "length"
        if self._grammar.is_too_slow:
            self.ended_by = "failed"

    def free(self) -> None:
        """Free what llama.cpp keeps."""
        self._grammar.close()

    def _tokenize(self, text: bytes) -> list[int]:
        """Tokens of plain text; none where it spells out a control token, so that it is written in smaller parts."""
        tokens = tokens_of(self._vocabulary, text)
        return [] if self._controls.intersection(tokens) else tokens


def end_token(vocabulary: int) -> int:
    """The token that ends an answer: that of a turn, or where there is none that of a text."""
    turn_end = int(C.llama_vocab_eot(vocabulary))
    return turn_end if turn_end >= 0 else int(C.llama_vocab_eos(vocabulary))
