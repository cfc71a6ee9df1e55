"""Asking again when the Hub is busy, slow or gone for a moment, for a limited time."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TypeVar

import httpx2

from g4run.models.hub.errors import find_cause, retry_after_seconds

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})  # those of huggingface_hub's own retries

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one answer may take, and how long further attempts are made; in seconds."""

    answer_seconds: float = 10.0  # huggingface_hub's own limit for a file's metadata
    total_seconds: float = 25.0  # no attempt begins later
    first_wait_seconds: float = 0.5  # doubled with each attempt
    longest_wait_seconds: float = 8.0
    unconnected_attempts: int = 3  # without any connection, waiting helps little


def ask_patiently(ask: Callable[[], T], patience: Patience) -> T:
    """What `ask` returns; asks again after failures that may pass. Raises the last failure."""
    deadline = monotonic() + patience.total_seconds
    wait, attempt = patience.first_wait_seconds, 1
    while True:
        try:
            return ask()
        except httpx2.HTTPError as error:
            pause = _pause(error, wait, attempt, patience)
            if pause is None or monotonic() + pause > deadline:
                raise
        sleep(pause)
        wait, attempt = min(wait * 2, patience.longest_wait_seconds), attempt + 1


def _pause(error: httpx2.HTTPError, wait: float, attempt: int, patience: Patience) -> float | None:
    """How long to wait before the next attempt; None if there should be none."""
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        if response.status_code not in _RETRIED:
            return None
        asked = retry_after_seconds(response)
        return wait if asked is None else max(asked, wait)
    match error:
        case httpx2.ConnectError():
            is_last = attempt >= patience.unconnected_attempts or find_cause(error, ssl.SSLError) is not None
            return None if is_last else wait
        case httpx2.TimeoutException() | httpx2.NetworkError() | httpx2.RemoteProtocolError():
            return wait
    return None
