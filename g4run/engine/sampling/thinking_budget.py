"""Where an answer stands: before its thought, inside it, while it is closed by force, or past it."""

import codecs
from collections import deque
from collections.abc import Callable

from g4run.engine.parameters import ThoughtTokens


class Thought:
    """Follows the tokens of one request and says when a thought must be closed and with which tokens; None has none.

    The budget counts what comes after the opening token. A thought that ends in the middle of a character, whose bytes
    may be spread over tokens, is closed after it.
    """

    def __init__(self, tokens: ThoughtTokens | None, budget: int | None, piece_of: Callable[[int], bytes]) -> None:
        self._opening = None if tokens is None else tokens.opening
        self._closing = () if tokens is None else tokens.closing
        self._budget = budget
        self._piece_of = piece_of
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._spent = 0
        self._forced: deque[int] = deque()
        self.is_open = tokens is not None and tokens.opens_in_prompt
        self._may_open = not self.is_open
        self._close_if_spent()

    @property
    def forced(self) -> int | None:
        """The token that must come next, if any."""
        return self._forced[0] if self._forced else None

    def opens_with(self, token: int) -> bool:
        """Whether that token, if it comes next, begins the thought."""
        return self._may_open and token == self._opening

    def close(self) -> None:
        """Force the tokens that close the thought."""
        self._forced.extend(self._closing)

    def accept(self, token: int) -> None:
        """Follow a token of the answer."""
        if self._forced:
            self._forced.popleft()
            self.is_open = bool(self._forced)
        elif self.is_open:
            self._follow(token)
        else:
            self.is_open = self.opens_with(token)
            self._close_if_spent()
        self._may_open = False

    def _follow(self, token: int) -> None:
        if token == self._closing[-1]:
            self.is_open = False
            return
        self._spent += 1
        if self._budget is not None:
            self._decoder.decode(self._piece_of(token))
            self._close_if_spent()

    def _close_if_spent(self) -> None:
        is_spent = self._budget is not None and self._spent >= self._budget
        if self.is_open and is_spent and not self._decoder.getstate()[0]:
            self.close()
