"""What the tests of the client share: what the Hub of conftest.py has, and how much patience there is."""

from collections.abc import Callable

import pytest

from g4run.errors import G4RunError
from g4run.models.download.retry_policy import RetryPolicy
from g4run.models.hub.client import Hub

REPOSITORY = "user/Repo-GGUF"
GATED = "user/Gated"
LARGE = b"large" * 50_000
LITTLE = RetryPolicy(answer_seconds=0.3, total_seconds=0.4, first_pause_seconds=0.01, longest_pause_seconds=0.1)
ENOUGH = RetryPolicy(answer_seconds=10, total_seconds=60, first_pause_seconds=0.01)


def failure(ask: Callable[[], object]) -> G4RunError:
    with pytest.raises(G4RunError) as caught:
        ask()
    assert caught.value.hint
    return caught.value


def commit_of(hub: Hub, repository: str = REPOSITORY) -> str:
    return hub.list_repository(repository).commit
