"""When to ask again after a failure, and when to give up: one policy for a whole file and for its beginning."""

import random

from g4run.errors import NetworkError
from g4run.models.download.options import TransferOptions
from g4run.units import render_seconds

_SOON_BYTES = 64 * 2**10  # after that much, a connection that broke is opened again at once
_MOST_DOUBLINGS = 60  # a float ends at 1,024, which a bad connection reaches while others progress for hours


class AttemptFailed(Exception):
    """One attempt to fetch something failed, for a reason that is for a person; another one may not.

    `wait_seconds` is what the server asks for; `error` is what to raise when no attempt helps, if there is a better one
    than a NetworkError of the reason.
    """

    def __init__(self, reason: str, wait_seconds: float | None = None, error: NetworkError | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_seconds = wait_seconds
        self.error = error


class Retries:
    """Counts the failures of one connection; `hint` says what to do when it gives up."""

    def __init__(self, options: TransferOptions, hint: str) -> None:
        self._options = options
        self._hint = hint
        self._failures = 0  # in a row, without progress of any connection
        self._pauses = 0  # in a row, without progress of this one

    def pause_seconds(self, failure: AttemptFailed, came_bytes: int, *, has_progress: bool) -> float:
        """How long to wait before the next attempt. Raises NetworkError when another one is of no use.

        `came_bytes` is what this connection brought since its last failure; `has_progress`, whether any did.
        """
        self._failures = 1 if has_progress else self._failures + 1
        self._pauses = 0 if came_bytes else self._pauses + 1
        if self._failures > self._options.retries:
            raise failure.error or NetworkError(f"{failure.reason}, again and again", self._hint)
        wait = failure.wait_seconds
        if wait is not None and wait > self._options.longest_wait_seconds:
            raise NetworkError(f"the server asks to come again in {render_seconds(wait)}", self._hint)
        if wait is None and came_bytes >= _SOON_BYTES:
            return 0.0
        first, longest = self._options.first_pause_seconds, self._options.longest_pause_seconds
        growing = min(longest, first * 2.0 ** min(self._pauses, _MOST_DOUBLINGS) / 2)
        return max(wait or 0.0, growing) + random.uniform(0, growing / 2)
