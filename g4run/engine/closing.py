"""Brings an answer under a grammar to a valid end within its limit: by the shortest way, and as late as possible."""

import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from g4run.engine.following.ends import Ends
from g4run.engine.following.follower import Follower
from g4run.engine.following.spelling import Spelling
from g4run.engine.following.stacks import TooAmbiguous
from g4run.engine.following.states import State
from g4run.engine.gbnf import Gbnf


class Closing:
    """Follows one answer and says for each token that was drawn which one to take.

    That is the drawn one as long as the shortest end behind it fits into what is left of the limit, and otherwise the
    next token of an end that was planned before. Nothing is changed where even the beginning does not fit, nor where
    the grammar can be read in too many ways to be followed.

    `is_closing` says that a token was taken in another's place.
    """

    def __init__(
        self,
        grammar: Gbnf,
        limit: int | None,
        tokenize: Callable[[bytes], list[int]],
        piece_of: Callable[[int], bytes],
        token_ids: Mapping[str, int],
        ends: Sequence[int],
        byte_tokens: Mapping[int, int],
    ) -> None:
        """`limit` is how many tokens the answer may have, its end token included; None is no limit until `close`.

        `tokenize` gives the tokens of a text as those of a prompt, control tokens left out whatever it spells out.
        `token_ids` are the tokens that the grammar names, as it writes them; `ends` those that end any answer, the
        first of which is taken for it; `byte_tokens` those of a single byte, by that byte.
        """
        self._end = ends[0]
        self._all_ends = frozenset(ends)
        spelling = Spelling(tokenize, piece_of, byte_tokens, set(token_ids.values()) - self._all_ends)
        self._follower = Follower(grammar, token_ids, piece_of, self._all_ends)
        self._ends = Ends(self._follower, spelling)
        self._state: State | None = None
        with suppress(TooAmbiguous):
            self._state = self._follower.begin()
        self._plan: deque[int] | None = None  # the tokens of an end from here, once it was needed
        self._left: int | None = None
        self._is_on = False
        self.is_closing = False
        if limit is not None:
            self.limit_to(limit)

    @property
    def needed(self) -> int | None:
        """Tokens that the shortest end takes from here, the end token included; None where none is known."""
        found = None if self._state is None else self._ends.find(self._state, sys.maxsize)
        return None if found is None else len(found) + 1

    @property
    def size_bytes(self) -> int:
        """What is remembered of the grammar beside its text, estimated."""
        return self._follower.size_bytes

    def limit_to(self, tokens: int) -> None:
        """From now on the answer may have so many tokens more; without effect where no end fits into them."""
        self._left = tokens
        self._is_on = True

    def close(self) -> bool:
        """From now on the answer may have as many tokens as its shortest end takes; False where none fits."""
        needed = self.needed
        if needed is None or (self._left is not None and needed > self._left):
            return False
        self.limit_to(needed)
        return True

    def choose(self, token: int) -> int:
        """The token to take where this one, which the grammar permits, was drawn."""
        if not self._is_on or self._left is None or self._state is None or token in self._all_ends:
            return token
        try:
            after = self._follower.after(self._state, token)
        except TooAmbiguous:
            return token
        if after is not None and self._ends.fits(after, self._left - 2):
            return token
        if self._plan is None:
            found = self._ends.find(self._state, self._left - 1)
            if found is None:
                self._is_on = False
                return token
            self._plan = deque(found)
        taken = self._plan[0] if self._plan else self._end
        self.is_closing |= taken != token
        return taken

    def accept(self, token: int) -> None:
        """Go on after a token of the answer."""
        if self._state is None:
            return
        if self._left is not None:
            self._left -= 1
        if self._plan and self._plan[0] == token:
            self._plan.popleft()
        else:
            self._plan = None
        state, self._state = self._state, None
        with suppress(TooAmbiguous):
            after = None if token in self._all_ends else self._follower.after(state, token)
            self._state = None if after is None else self._follower.tidy(after)
