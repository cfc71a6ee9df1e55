"""Tracks a request's thought and closes it when the thinking budget is spent."""

import codecs
from collections import deque
from collections.abc import Callable

from g4run.engine.parameters import ThoughtTokens


class ThinkingBudget:
    """Follows the tokens of one request and forces the closing tokens when its thought exceeds the budget.

    The budget counts the tokens after the opening one; None is unlimited. `tokens` is None for a model that does not
    think. A UTF-8 character may span several tokens: the thought is closed only after a complete character.
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
        """Token that must come next, or None."""
        return self._forced[0] if self._forced else None

    def opens_with(self, token: int) -> bool:
        """Whether this token would open the thought if it came next."""
        return self._may_open and token == self._opening

    def close(self) -> None:
        """Force the closing tokens."""
        self._forced.extend(self._closing)

    def accept(self, token: int) -> None:
        """Record a generated token."""
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
