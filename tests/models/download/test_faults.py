from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import httpx2
import pytest
from msgspec import structs

from g4run.errors import AccessDenied, DigestMismatch, NetworkError
from g4run.models.download.partial_file import present_bytes
from g4run.models.remote_files import Link
from tests.fakes.hub_faults import FaultKind
from tests.models.download.downloads import NAME, REPOSITORY, Pull, find_link, pull_of, some_bytes

SIZE = 3_000_000
KEPT = "run the same command again to resume"


@pytest.fixture
def pull(tmp_path: Path) -> Iterator[Pull]:
    with pull_of(some_bytes(SIZE), tmp_path) as prepared:
        yield prepared


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.CLOSE, FaultKind.STALL])
def test_a_connection_that_breaks_loses_nothing_that_came(kind: FaultKind, pull: Pull) -> None:
    pull.hub.fault(kind, 500_000, times=2)
    pull.set_stall(0.3 if kind is FaultKind.STALL else 3)
    done = pull.run()
    assert pull.is_finished()
    # A reset may overtake bytes that were sent before it.
    assert SIZE <= done.wire_bytes <= pull.sent_bytes <= SIZE + 2 * 500_000


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.CLOSE])
def test_a_link_that_dies_every_100_kb_gets_there(kind: FaultKind, pull: Pull) -> None:
    pull.hub.fault(kind, 100_000, times=None)
    pull.run()
    assert pull.is_finished()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (FaultKind.STATUS, 500),
        (FaultKind.STATUS, 502),
        (FaultKind.STATUS, 503),
        (FaultKind.STATUS, 408),
        (FaultKind.DROP, 0),
        (FaultKind.REDIRECT_LOOP, 0),
        (FaultKind.HANG, 2),
        (FaultKind.SHIFT_RANGE, 4096),
        (FaultKind.SHORT_LENGTH, 10),
        (FaultKind.LONG_LENGTH, 10),
    ],
)
def test_an_answer_that_is_no_good_is_asked_for_again(kind: FaultKind, value: int, pull: Pull) -> None:
    pull.hub.fault(kind, value, times=3)
    pull.set_stall(0.3 if kind is FaultKind.HANG else 3)
    pull.run()
    assert pull.is_finished()


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (FaultKind.STATUS, 500, "the server answered 500; gave up after several attempts"),
        (FaultKind.STATUS, 503, "the server is busy (503); gave up after several attempts"),
        (FaultKind.SHIFT_RANGE, 1, "the server sent bytes 1000001-2000000/3000000 instead of 1000000-1999999; gave up"),
        (FaultKind.STALL, 0, "the server stopped sending data; gave up after several attempts"),
        (FaultKind.CLOSE, 0, "the connection broke"),
    ],
)
def test_what_does_not_get_better_ends_and_keeps_what_came(
    kind: FaultKind, value: int, message: str, pull: Pull
) -> None:
    pull.hub.fault(kind, value, times=None, skip=1)
    pull.options = replace(pull.options, connections=1)
    pull.set_stall(0.2 if kind is FaultKind.STALL else 3)
    with pytest.raises(NetworkError) as caught:
        pull.run()
    assert caught.value.message.startswith(message)
    assert caught.value.hint == KEPT
    assert present_bytes(pull.partial) == 1_000_000
    pull.hub.faults.clear()
    assert pull.run().wire_bytes == SIZE - 1_000_000
    assert pull.is_finished()


def test_refused_connections_end_with_an_error_that_says_so(pull: Pull) -> None:
    link = pull.resolve()
    with pull.hub.refusing(), pytest.raises(NetworkError, match="cannot connect to the server"):
        pull.run(lambda: link)
    pull.run()
    assert pull.is_finished()


@pytest.mark.parametrize("address", ["http://localhost:1/x", "nonsense://x/y", "http://a b/"])
def test_addresses_that_lead_nowhere(address: str, pull: Pull) -> None:
    link = Link(address, {}, SIZE, pull.sha256)
    with pytest.raises(NetworkError) as caught:
        pull.run(lambda: link)
    assert caught.value.hint == KEPT


def test_tls_that_is_none_is_a_network_error(pull: Pull) -> None:
    link = pull.resolve()
    plain = Link(link.url.replace("http://", "https://"), {}, SIZE, pull.sha256)
    with pytest.raises(NetworkError) as caught:
        pull.run(lambda: plain)
    assert "SSL" in caught.value.message


def test_retry_after_is_waited_for(pull: Pull) -> None:
    pull.hub.fault(FaultKind.STATUS, 429, retry_after=1, times=2)
    pull.run()
    assert pull.is_finished()


def test_a_server_that_wants_hours_is_not_waited_for(pull: Pull) -> None:
    pull.hub.fault(FaultKind.STATUS, 429, retry_after=7200, times=None)
    with pytest.raises(NetworkError) as caught:
        pull.run()
    assert caught.value.message == "the server asks to wait 120m00s"


def test_an_expired_link_is_resolved_again_once_for_all(pull: Pull) -> None:
    stale = pull.resolve()
    pull.hub.expire_links()
    links = iter([stale])
    pull.run(lambda: next(links, None) or pull.resolve())
    assert pull.is_finished()
    assert pull.links == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_links_that_never_work_are_given_up(status: int, pull: Pull) -> None:
    pull.hub.fault(FaultKind.STATUS, status, times=None)
    with pytest.raises(AccessDenied) as caught:
        pull.run()
    assert caught.value.message == f"the server rejected the link ({status}), and new links too"
    assert pull.links == 1 + pull.options.policy.fresh_links


def test_links_that_live_for_one_request_get_there(pull: Pull) -> None:
    pull.options = replace(pull.options, connections=1)
    for skip in range(1, 20):
        pull.hub.fault(FaultKind.STATUS, 403, skip=skip)
    pull.run()
    assert pull.is_finished()
    assert pull.links >= 3


def test_a_web_page_instead_of_the_file_is_not_written(pull: Pull) -> None:
    pull.hub.fault(FaultKind.PORTAL, times=2)
    pull.run()
    assert pull.is_finished()


def test_a_hub_that_fails_while_resolving_again_is_asked_once_more(pull: Pull) -> None:
    pull.hub.fault(FaultKind.STATUS, 403)
    calls = count()

    def resolve() -> Link:
        if next(calls) == 1:
            raise NetworkError("the Hub is away for a moment")
        return find_link(pull.client, pull.hub.endpoint)

    pull.run(resolve)
    assert pull.is_finished()


def test_a_server_that_ignores_ranges_is_read_from_the_start(pull: Pull) -> None:
    pull.hub.fault(FaultKind.IGNORE_RANGE, times=None)
    done = pull.run()
    assert pull.is_finished()
    assert done.wire_bytes <= SIZE + 4 * 70_000


def test_a_server_that_begins_to_ignore_ranges_is_not_believed_twice(pull: Pull) -> None:
    pull.hub.fault(FaultKind.CLOSE, 400_000, times=4)
    pull.hub.fault(FaultKind.IGNORE_RANGE, times=None, skip=3)
    pull.run()
    assert pull.is_finished()
    assert pull.progress == sorted(pull.progress)


def test_a_file_that_changes_on_the_hub_is_an_error(pull: Pull) -> None:
    pull.hub.fault(FaultKind.STATUS, 403, skip=2, times=None)
    links = iter([pull.resolve()])
    pull.hub.add_revision(REPOSITORY, {NAME: some_bytes(SIZE, seed=9)})
    with pytest.raises(NetworkError) as caught:
        pull.run(lambda: next(links, None) or pull.resolve())
    assert caught.value.message == "the file changed on the Hub while it was being downloaded"
    assert pull.links == 2


def test_a_size_that_the_hub_did_not_announce_names_both(pull: Pull) -> None:
    def resolve() -> Link:
        return structs.replace(pull.resolve(), size_bytes=SIZE + 5)

    with pytest.raises(NetworkError) as caught:
        pull.run(resolve)
    assert caught.value.message == "the server's file has 3,000,000 bytes, but the Hub says 3,000,005"
    assert pull.links == 2


def test_a_body_that_lies_about_its_place_is_caught_by_the_digest(pull: Pull) -> None:
    pull.options = replace(pull.options, connections=1)  # the last range cannot be shifted
    pull.hub.fault(FaultKind.SHIFT_BODY, 4096)
    with pytest.raises(DigestMismatch):
        pull.run()
    assert list(pull.partial.parent.iterdir()) == []


def test_a_bug_is_raised_by_the_transfer_itself(pull: Pull) -> None:
    class BrokenClient(httpx2.Client):
        def send(self, *arguments: object, **named: object) -> httpx2.Response:
            raise ZeroDivisionError

    link = pull.resolve()
    pull.client = BrokenClient()
    with pytest.raises(ZeroDivisionError):
        pull.run(lambda: link)
