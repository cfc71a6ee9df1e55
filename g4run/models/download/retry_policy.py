"""The retry policy for requests to the Hub and downloads: when to retry, and when to give up."""

import math
import random
from dataclasses import dataclass
from time import monotonic

from g4run.errors import NetworkError
from g4run.units import render_seconds

_SOON_BYTES = 64 * 2**10  # after this many, a broken connection is reopened at once
_MOST_DOUBLINGS = 60  # floats overflow at 1,024, which a bad connection reaches while others progress for hours


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait, and how often to retry; the defaults suit downloads of 1 to 60 GB."""

    connect_seconds: float = 10.0
    stall_seconds: float = 30.0  # without data
    fresh_links: int = 3  # in a row without data
    retries: int = 8  # in a row without progress; about 90 seconds
    first_pause_seconds: float = 0.5  # doubles with every failure
    longest_pause_seconds: float = 30.0
    longest_wait_seconds: float = 300.0  # that a server may request
    total_seconds: float = math.inf  # no attempt starts later
    answer_seconds: float = 10.0  # timeout of one request to the Hub; huggingface_hub's default for a file's metadata


DOWNLOADS = RetryPolicy()


class AttemptFailed(Exception):
    """One attempt failed, and another one may succeed; `reason` is for the user.

    `wait_seconds` is what the server requests. Giving up raises `error`, or a NetworkError with the reason.
    """

    def __init__(self, reason: str, wait_seconds: float | None = None, error: Exception | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_seconds = wait_seconds
        self.error = error


class Retries:
    """Count the failures of one connection; `hint` goes into the error after the last one."""

    def __init__(self, policy: RetryPolicy, hint: str = "") -> None:
        self._policy = policy
        self._hint = hint
        self._deadline = monotonic() + policy.total_seconds
        self._pauses = 0  # in a row, without progress of this connection
        self.failures = 0  # in a row, without progress of any connection

    def pause_seconds(self, failure: AttemptFailed, came_bytes: int = 0, *, has_progress: bool = False) -> float:
        """Return how long to wait before the next attempt. Raises the failure's error after the last one.

        `came_bytes` is what this connection received since its last failure; `has_progress` is whether any did.
        """
        self.failures = 1 if has_progress else self.failures + 1
        self._pauses = 0 if came_bytes else self._pauses + 1
        wait = failure.wait_seconds
        if wait is not None and wait > self._policy.longest_wait_seconds:
            reason = f"the server asks to wait {render_seconds(wait)}"
            raise failure.error or NetworkError(reason, self._hint)
        pause = self._next_pause(wait, came_bytes)
        if self.failures > self._policy.retries or monotonic() + pause > self._deadline:
            raise failure.error or NetworkError(f"{failure.reason}; gave up after several attempts", self._hint)
        return pause

    def _next_pause(self, wait: float | None, came_bytes: int) -> float:
        if wait is None and came_bytes >= _SOON_BYTES:
            return 0.0
        first, longest = self._policy.first_pause_seconds, self._policy.longest_pause_seconds
        growing = min(longest, first * 2.0 ** min(self._pauses, _MOST_DOUBLINGS) / 2)
        return max(wait or 0.0, growing) + random.uniform(0, growing / 2)
