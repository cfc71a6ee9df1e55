"""The retry policy: when a failed request is made again, and when to give up; one for the Hub and for its files."""

import math
import random
from dataclasses import dataclass
from time import monotonic

from g4run.errors import NetworkError
from g4run.units import render_seconds

_SOON_BYTES = 64 * 2**10  # after that many, a connection that broke is opened again at once
_MOST_DOUBLINGS = 60  # a float ends at 1,024, which a bad connection reaches while others progress for hours


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How many attempts are made, and how far apart; the defaults suit a file of 1 to 60 GB."""

    retries: int = 8  # in a row without progress: about 90 seconds
    first_pause_seconds: float = 0.5  # doubled with every failure
    longest_pause_seconds: float = 30.0
    longest_wait_seconds: float = 300.0  # that a server may ask for
    total_seconds: float = math.inf  # no attempt begins later
    answer_seconds: float = 10.0  # for an answer of the Hub; huggingface_hub's own limit for a file's metadata


DOWNLOADS = RetryPolicy()


class AttemptFailed(Exception):
    """One attempt failed, and another one may succeed; `reason` is shown to the user.

    `wait_seconds` is what the server asks for; `error` is raised when no attempt helps, else a NetworkError with
    the reason.
    """

    def __init__(self, reason: str, wait_seconds: float | None = None, error: Exception | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_seconds = wait_seconds
        self.error = error


class Retries:
    """Counts the failures of one connection; `hint` says what to do when it gives up."""

    def __init__(self, policy: RetryPolicy, hint: str = "") -> None:
        self._policy = policy
        self._hint = hint
        self._deadline = monotonic() + policy.total_seconds
        self._pauses = 0  # in a row, without progress of this connection
        self.failures = 0  # in a row, without progress of any connection

    def pause_seconds(self, failure: AttemptFailed, came_bytes: int = 0, *, has_progress: bool = False) -> float:
        """How long to wait before the next attempt. Raises the failure's error when another one is of no use.

        `came_bytes` is what this connection received since its last failure; `has_progress`, whether any did.
        """
        self.failures = 1 if has_progress else self.failures + 1
        self._pauses = 0 if came_bytes else self._pauses + 1
        wait = failure.wait_seconds
        if wait is not None and wait > self._policy.longest_wait_seconds:
            reason = f"the server asks to come again in {render_seconds(wait)}"
            raise failure.error or NetworkError(reason, self._hint)
        pause = self._next_pause(wait, came_bytes)
        if self.failures > self._policy.retries or monotonic() + pause > self._deadline:
            raise failure.error or NetworkError(f"{failure.reason}, again and again", self._hint)
        return pause

    def _next_pause(self, wait: float | None, came_bytes: int) -> float:
        if wait is None and came_bytes >= _SOON_BYTES:
            return 0.0
        first, longest = self._policy.first_pause_seconds, self._policy.longest_pause_seconds
        growing = min(longest, first * 2.0 ** min(self._pauses, _MOST_DOUBLINGS) / 2)
        return max(wait or 0.0, growing) + random.uniform(0, growing / 2)
