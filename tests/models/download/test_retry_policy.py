import pytest

from g4run.errors import AccessDenied, NetworkError
from g4run.models.download.retry_policy import AttemptFailed, Retries, RetryPolicy

OPTIONS = RetryPolicy(retries=3, first_pause_seconds=1.0, longest_pause_seconds=4.0, longest_wait_seconds=60.0)
BROKEN = AttemptFailed("the connection broke")


def pause(retries: Retries, failure: AttemptFailed = BROKEN, came_bytes: int = 0, *, has_progress: bool) -> float:
    return retries.pause_seconds(failure, came_bytes, has_progress=has_progress)


def test_pauses_grow_up_to_the_longest_while_others_progress() -> None:
    retries = Retries(OPTIONS, "try later")
    pauses = [pause(retries, has_progress=True) for _ in range(5)]
    for seconds, least in zip(pauses, (1.0, 2.0, 4.0, 4.0, 4.0), strict=True):
        assert least <= seconds <= 1.5 * least


def test_a_connection_may_fail_for_hours_while_others_progress() -> None:
    retries = Retries(OPTIONS, "try later")
    assert all(pause(retries, has_progress=True) <= 6.0 for _ in range(3_000))


def test_a_connection_that_brought_much_is_opened_again_at_once() -> None:
    retries = Retries(OPTIONS, "try later")
    assert pause(retries, came_bytes=1 << 20, has_progress=True) == 0
    assert 0.5 <= pause(retries, came_bytes=1, has_progress=True) <= 0.75


def test_a_server_that_says_when_is_not_asked_earlier() -> None:
    retries = Retries(OPTIONS, "try later")
    assert pause(retries, AttemptFailed("busy", 20.0), came_bytes=1 << 20, has_progress=True) >= 20
    with pytest.raises(NetworkError) as caught:
        pause(retries, AttemptFailed("busy", 61.0), has_progress=True)
    assert (caught.value.message, caught.value.hint) == ("the server asks to wait 1m01s", "try later")


def test_failures_without_progress_come_to_an_end() -> None:
    retries = Retries(OPTIONS, "try later")
    for has_progress in (False, False, False, True, False, False):
        pause(retries, has_progress=has_progress)
    with pytest.raises(NetworkError) as caught:
        pause(retries, has_progress=False)
    assert (caught.value.message, caught.value.hint) == (
        "the connection broke; gave up after several attempts",
        "try later",
    )


def test_no_attempt_begins_after_the_deadline() -> None:
    retries = Retries(RetryPolicy(first_pause_seconds=1.0, total_seconds=0.5), "try later")
    with pytest.raises(NetworkError):
        pause(retries, has_progress=True)


def test_a_better_error_than_the_reason_is_raised() -> None:
    denied = AccessDenied("the link is refused", "log in")
    retries = Retries(OPTIONS, "try later")
    with pytest.raises(AccessDenied) as caught:
        for _ in range(4):
            pause(retries, AttemptFailed("refused", error=denied), has_progress=False)
    assert caught.value is denied
