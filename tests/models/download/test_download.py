import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from g4run.errors import DigestMismatch, NetworkError
from g4run.models.download.download import download
from g4run.models.download.partial_file import journal_path, present_bytes
from g4run.models.remote_files import Link
from tests.fakes.hub_faults import FaultKind
from tests.models.download.downloads import NAME, REPOSITORY, Pull, pull_of, some_bytes

SIZE = 6_000_001


@pytest.fixture
def pull(tmp_path: Path) -> Iterator[Pull]:
    with pull_of(some_bytes(SIZE), tmp_path) as prepared:
        yield prepared


def interrupt_at(done_bytes: int) -> Callable[[int], None]:
    """Progress that ends like Ctrl-C once so much is there."""

    def on_progress(present: int) -> None:
        if present >= done_bytes:
            raise KeyboardInterrupt

    return on_progress


def interrupted(pull: Pull) -> int:
    """Stop a pull while all its connections wait for more; returns what is kept of it."""
    pull.hub.fault(FaultKind.STALL, 600_000, times=None)
    options = pull.options
    pull.set_stall(60)
    with pytest.raises(KeyboardInterrupt):
        pull.run(on_progress=interrupt_at(2_000_000))
    pull.options = options
    pull.hub.faults.clear()
    kept = present_bytes(pull.partial)
    assert 2_000_000 <= kept <= 2_400_000
    return kept


@pytest.mark.parametrize("size", [0, 1, 99_999, 100_000, 1_000_000, 4_194_305, 9_999_999])
def test_a_file_of_any_size_comes_whole(size: int, tmp_path: Path) -> None:
    with pull_of(some_bytes(size), tmp_path) as pull:
        done = pull.run()
        assert pull.is_finished()
        assert done.sha256 == hashlib.sha256(pull.content).hexdigest()
        assert done.wire_bytes == pull.sent_bytes == size
        assert pull.links == 1


def test_four_connections_ask_for_parts_in_file_order(pull: Pull) -> None:
    pull.hub.set_rate(2_000_000)
    pull.run()
    asked = [request.headers["range"] for request in pull.hub.requests if request.method == "GET"]
    starts = [int(text.removeprefix("bytes=").split("-")[0]) for text in asked]
    assert len(starts) >= 6
    assert set(starts[:4]) == {0, 1_000_000, 2_000_000, 3_000_000}
    assert all(request.headers["accept-encoding"] == "identity" for request in pull.hub.requests[1:])


def test_progress_only_grows_and_ends_with_the_size(pull: Pull) -> None:
    pull.hub.set_rate(5_000_000)
    pull.run()
    assert pull.progress == sorted(pull.progress)
    assert pull.progress[-1] == SIZE
    assert len(set(pull.progress)) > 2


def test_an_interrupted_pull_goes_on_where_it_was(pull: Pull) -> None:
    kept = interrupted(pull)
    done = pull.run()
    assert pull.is_finished()
    assert pull.progress[0] >= kept
    assert done.wire_bytes == SIZE - kept


def test_what_the_journal_says_is_on_the_disk(pull: Pull) -> None:
    pull.options = replace(pull.options, sync_bytes=500_000)
    interrupted(pull)
    partial = pull.partial.read_bytes()
    assert pull.recorded()
    for start, end in pull.recorded():
        assert partial[start:end] == pull.content[start:end]


def test_after_a_power_failure_the_digest_decides(pull: Pull) -> None:
    """The journal speaks of bytes that never reached the disk."""
    kept = interrupted(pull)
    pull.partial.write_bytes(bytes(SIZE))
    done = pull.run()
    assert pull.is_finished()
    assert done.wire_bytes == SIZE - kept + SIZE


def test_without_a_digest_nothing_is_resumed(pull: Pull) -> None:
    interrupted(pull)
    pull.partial.write_bytes(bytes(SIZE))
    done = download(
        pull.client, pull.resolve, pull.partial, expected_sha256=None, on_progress=lambda _: None, options=pull.options
    )
    assert pull.is_finished()
    assert done.wire_bytes == SIZE


@pytest.mark.parametrize(
    "journal",
    [
        f"g4run-journal 1 {SIZE} etag 12345678\nwritten 0 100000 01234567 89abcdef\n",
        f"g4run 2 {SIZE} another\n0 100000",
        "g4run 2",
        "",
        "\0" * 100,
    ],
)
def test_another_journal_is_not_believed(pull: Pull, journal: str) -> None:
    """One of g4run 0.1.0, one of another file, and what a power failure may leave."""
    pull.partial.parent.mkdir()
    pull.partial.write_bytes(bytes(SIZE))
    pull.journal.write_text(journal)
    assert pull.run().wire_bytes == SIZE
    assert pull.is_finished()


def test_an_unfinished_file_that_vanished_is_begun_anew(pull: Pull) -> None:
    interrupted(pull)
    pull.partial.unlink()
    assert present_bytes(pull.partial) == 0
    assert pull.run().wire_bytes == SIZE
    assert pull.is_finished()


def test_an_unfinished_file_of_another_size_is_begun_anew(pull: Pull) -> None:
    interrupted(pull)
    pull.partial.write_bytes(b"something else")
    assert present_bytes(pull.partial) == 0
    assert pull.run().wire_bytes == SIZE
    assert pull.is_finished()


def test_a_damaged_journal_costs_bytes_but_not_the_file(pull: Pull) -> None:
    interrupted(pull)
    pull.journal.write_bytes(pull.journal.read_bytes()[:-7] + b"\xff\xff")
    pull.run()
    assert pull.is_finished()


def test_another_content_on_the_hub_is_begun_anew(pull: Pull) -> None:
    interrupted(pull)
    pull.content = some_bytes(SIZE, seed=8)
    pull.hub.add_revision(REPOSITORY, {NAME: pull.content})
    assert pull.run().wire_bytes == SIZE
    assert pull.is_finished()


def test_a_whole_file_whose_journal_is_gone_is_only_hashed(pull: Pull) -> None:
    pull.run()
    assert pull.run().wire_bytes == 0
    assert pull.is_finished()


def test_a_file_of_the_right_size_without_a_journal_is_not_believed(pull: Pull) -> None:
    pull.partial.parent.mkdir()
    pull.partial.write_bytes(pull.content[:-1] + b"?")
    assert pull.run().wire_bytes == SIZE
    assert pull.is_finished()


def test_a_journal_that_says_all_is_there_needs_no_byte(pull: Pull) -> None:
    pull.partial.parent.mkdir()
    pull.partial.write_bytes(pull.content)
    pull.journal.write_text(f"g4run 2 {SIZE} {pull.sha256}\n0 {SIZE}")
    assert pull.run().wire_bytes == 0
    assert pull.is_finished()


def test_wrong_bytes_are_refused_and_removed(pull: Pull) -> None:
    pull.hub.fault(FaultKind.FLIP, 4_000_000)
    with pytest.raises(DigestMismatch) as caught:
        pull.run()
    assert pull.sha256[:12] in caught.value.message
    assert list(pull.partial.parent.iterdir()) == []
    pull.run()
    assert pull.is_finished()


def test_a_digest_from_elsewhere_is_held_against_the_file(pull: Pull) -> None:
    with pytest.raises(DigestMismatch) as caught:
        pull.run(expected_sha256="0123456789abcdef" * 4)
    assert caught.value.message.endswith(f": its sha256 starts with {pull.sha256[:12]}, not 0123456789ab")


def test_the_journal_lies_beside_the_partial_file() -> None:
    assert journal_path(Path("blobs/abc.g4run.incomplete")) == Path("blobs/abc.g4run.journal")


def test_the_token_is_told_to_the_hub_and_not_to_the_cdn(pull: Pull) -> None:
    def resolve() -> Link:
        address = f"{pull.hub.endpoint}/{REPOSITORY}/resolve/main/{NAME}"
        return Link(address, {"Authorization": "Bearer hf_opensEverything"}, SIZE, pull.sha256)

    pull.run(resolve)
    assert pull.is_finished()
    told = {request.stage: request.headers.get("authorization") for request in pull.hub.requests}
    assert told == {"resolve": "Bearer hf_opensEverything", "cdn": None}


def test_what_resolving_raises_comes_before_any_file(pull: Pull) -> None:
    def resolve() -> Link:
        raise NetworkError("the Hub is away")

    with pytest.raises(NetworkError, match="the Hub is away"):
        pull.run(resolve)
    assert not pull.partial.parent.exists()
