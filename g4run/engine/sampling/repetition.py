"""Detects answers that loop inside a grammar, which may allow whitespace or repetition forever."""

import numpy as np

MOST_WHITESPACE = 64  # consecutive whitespace tokens; an indented line takes one or two
LONGEST_PERIOD = 32  # in tokens
MOST_REPEATED = 512  # consecutive tokens that equal the one a period earlier


class RepetitionBound:
    """Counts consecutive whitespace tokens and, for each period, tokens equal to the one a period earlier."""

    def __init__(self) -> None:
        self._whitespace = 0
        self._last = np.full(LONGEST_PERIOD, -1, np.int64)  # newest first
        self._runs = np.zeros(LONGEST_PERIOD, np.int64)

    def accept(self, token: int, piece: bytes) -> bool:
        """Record a token; return whether a limit is reached."""
        self._whitespace = self._whitespace + 1 if piece.isspace() else 0
        self._runs += 1
        self._runs *= self._last == token
        self._last[1:] = self._last[:-1].copy()
        self._last[0] = token
        return self._whitespace >= MOST_WHITESPACE or bool(self._runs.max() >= MOST_REPEATED)
