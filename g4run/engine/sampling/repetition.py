"""Tells when what is written inside a grammar goes round in circles: such output may be valid for ever."""

import numpy as np

MOST_WHITESPACE = 64  # tokens of nothing but whitespace in a row; an indented line takes one or two
LONGEST_PERIOD = 32  # tokens of a repetition, at most
MOST_REPEATED = 512  # tokens that only say again what came one period before


class RepetitionBound:
    """Counts whitespace, and for each period how many tokens in a row were the same as one period before."""

    def __init__(self) -> None:
        self._whitespace = 0
        self._last = np.full(LONGEST_PERIOD, -1, np.int64)  # newest first
        self._runs = np.zeros(LONGEST_PERIOD, np.int64)

    def accept(self, token: int, piece: bytes) -> bool:
        """Follow a token; True where a bound is reached."""
        self._whitespace = self._whitespace + 1 if piece.isspace() else 0
        self._runs += 1
        self._runs *= self._last == token
        self._last[1:] = self._last[:-1].copy()
        self._last[0] = token
        return self._whitespace >= MOST_WHITESPACE or bool(self._runs.max() >= MOST_REPEATED)
