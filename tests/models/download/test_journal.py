import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.models.download.boot import boot_identity
from g4run.models.download.journal import Identity, Journal, parse_journal, read_journal, remove_journal
from g4run.models.download.ranges import Range, Ranges

IDENTITY = Identity(10_000, "an etag/with: odd é signs")
OTHER_BOOT = "00000000"

ranges = st.lists(
    st.tuples(st.integers(0, 9_999), st.integers(1, 10_000)).filter(lambda pair: pair[0] < pair[1]), max_size=12
)


def journal_bytes(written: Iterable[Range], safe: Iterable[Range], later: Iterable[Range]) -> bytes:
    """A journal as a session leaves it that wrote, synced, and wrote more."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Path(directory) / "journal", IDENTITY, (), ())
        for start, end in written:
            journal.written(start, end)
        journal.safe(safe)
        for start, end in later:
            journal.written(start, end)
        journal.close()
        return journal.path.read_bytes()


def is_within(found: Iterable[Range], recorded: Iterable[Range]) -> bool:
    known = Ranges(recorded)
    return not any(known.gaps(start, end) for start, end in found)


@settings(max_examples=40, deadline=None)
@given(ranges, ranges, ranges)
def test_this_boot_trusts_everything_and_another_one_what_was_synced(
    written: list[Range], safe: list[Range], later: list[Range]
) -> None:
    content = journal_bytes(written, safe, later)
    here, elsewhere = parse_journal(content, boot_identity()), parse_journal(content, OTHER_BOOT)
    assert here is not None
    assert elsewhere is not None
    assert here.identity == elsewhere.identity == IDENTITY
    assert here.present == tuple(Ranges([*written, *safe, *later]))
    assert elsewhere.present == elsewhere.safe == here.safe == tuple(Ranges(safe))


@settings(max_examples=60, deadline=None)
@given(ranges, ranges, ranges, st.data())
def test_no_damage_yields_a_range_that_was_not_recorded(
    written: list[Range], safe: list[Range], later: list[Range], data: st.DataObject
) -> None:
    content = journal_bytes(written, safe, later)
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    damaged = content[:start] + data.draw(st.binary(max_size=40)) + content[end:]
    for boot, recorded in ((boot_identity(), [*written, *safe, *later]), (OTHER_BOOT, safe)):
        found = parse_journal(damaged, boot)
        assert found is None or found.identity == IDENTITY
        assert found is None or is_within(found.present, recorded)


def test_every_prefix_keeps_the_lines_that_are_whole() -> None:
    content = journal_bytes([(0, 10), (50, 60)], [(0, 10)], [(10, 20), (90, 100)])
    steps = [parse_journal(content[:length], boot_identity()) for length in range(len(content) + 1)]
    totals = [Ranges(step.present).total if step else -1 for step in steps]
    assert totals == sorted(totals)
    assert set(totals) == {-1, 0, 10, 20, 30, 40}


def test_every_flipped_bit_costs_one_line_at_most() -> None:
    recorded = [(0, 10), (20, 30), (40, 50)]
    content = journal_bytes(recorded, [], [])
    header = content.index(b"\n") + 1
    for place in range(header, len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1
        found = parse_journal(bytes(damaged), boot_identity())
        assert found is not None
        assert is_within(found.present, recorded)
        assert len(found.present) >= 1  # a flipped newline joins two lines


def test_lines_of_another_content_are_not_trusted(tmp_path: Path) -> None:
    other = Journal(tmp_path / "other", Identity(10_000, "another"), (), [(0, 5_000)])
    other.close()
    line = other.path.read_bytes().splitlines(keepends=True)[1]
    found = parse_journal(journal_bytes([(1, 2)], [], []) + line, boot_identity())
    assert found is not None
    assert found.present == ((1, 2),)


def test_a_torn_line_does_not_spoil_what_the_next_session_records(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(journal_bytes([(0, 10)], [], []) + b"written 10 2")
    before = read_journal(path)
    assert before is not None
    journal = Journal(path, IDENTITY, before.safe, before.present)
    journal.written(30, 40)
    journal.close()
    after = read_journal(path)
    assert after is not None
    assert after.present == ((0, 10), (30, 40))


def test_a_failed_sync_takes_back_what_was_not_safe(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", IDENTITY, [(0, 10)], [(0, 10), (20, 30)])
    journal.forget_all_but([(0, 10)])
    journal.close()
    found = read_journal(journal.path)
    assert found is not None
    assert found.present == ((0, 10),)


def test_syncing_makes_the_journal_short_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", IDENTITY, (), ())
    for start in range(5_000):
        journal.written(start, start + 1)
    long = journal.path.stat().st_size
    journal.safe([(0, 5_000)])
    journal.close()
    assert journal.path.stat().st_size < 300 < long
    assert list(tmp_path.iterdir()) == [journal.path]


def test_what_is_recorded_after_the_end_is_dropped(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", IDENTITY, (), ())
    journal.close()
    journal.written(0, 10)
    journal.safe([(0, 10)])
    found = read_journal(journal.path)
    assert found is not None
    assert found.present == ()


@pytest.mark.parametrize("content", [b"", b"\n", b"g4run-journal 1 5 etag 00000000\n", b"\xff" * 1000, b"{}\n" * 99])
def test_what_is_no_journal_is_not_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(content)
    assert read_journal(tmp_path / "journal") is None


def test_removing_takes_the_half_written_one_too(tmp_path: Path) -> None:
    (tmp_path / "journal").touch()
    (tmp_path / "journal.new").touch()
    remove_journal(tmp_path / "journal")
    remove_journal(tmp_path / "journal")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("digits", [19, 4_301, 100_000])
def test_a_damaged_number_that_python_does_not_read_is_no_journal(digits: int) -> None:
    content = journal_bytes([(0, 10)], [], [])
    assert parse_journal(content.replace(b" 10000 ", b" " + b"1" * digits + b" ", 1), boot_identity()) is None


def test_a_range_that_python_does_not_read_is_not_there() -> None:
    """The checksum is right: it was made for this line."""
    header = "g4run-journal 1 10000 an%20etag%2Fwith%3A%20odd%20%C3%A9%20signs"
    text = f"safe 0 {'9' * 5_000} -"
    line = f"{text} {zlib.crc32(text.encode(), zlib.crc32(header.encode())):08x}\n".encode()
    found = parse_journal(journal_bytes([], [], [(1, 2)]) + line, boot_identity())
    assert found is not None
    assert found.present == ((1, 2),)
