"""The unfinished file and its journal, whatever happens to either."""

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.errors import NotWritable
from g4run.models.download.partial_file import PartialFile, journal_path, present_bytes
from g4run.models.download.segments import Range, Ranges

SIZE = 10_000
ETAG = "e" * 64

ranges = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.integers(1, SIZE)).filter(lambda pair: pair[0] < pair[1]), max_size=12
)


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "blob.g4run.incomplete"


def opened(partial: Path, size_bytes: int = SIZE, etag: str = ETAG) -> PartialFile:
    return PartialFile(partial, size_bytes, etag, is_resumed=True)


def kept_in(partial: Path) -> tuple[Range, ...]:
    with closing(opened(partial)) as file:
        return file.kept


def write(partial: Path, written: Iterable[Range]) -> None:
    """What a run leaves that wrote these ranges and was killed."""
    file = opened(partial)
    for start, end in written:
        file.write(start, memoryview(bytes(end - start)))
    file.close()


def is_within(found: Iterable[Range], recorded: Iterable[Range]) -> bool:
    known = Ranges(recorded)
    return not any(known.gaps(start, end) for start, end in found)


@settings(max_examples=40)
@given(ranges, ranges)
def test_two_runs_know_what_both_wrote(
    tmp_path_factory: pytest.TempPathFactory, first: list[Range], second: list[Range]
) -> None:
    partial = tmp_path_factory.mktemp("partial") / "blob.g4run.incomplete"
    write(partial, first)
    write(partial, second)
    assert kept_in(partial) == tuple(Ranges([*first, *second]))
    assert present_bytes(partial) == Ranges([*first, *second]).total


@settings(max_examples=60)
@given(ranges, st.data())
def test_a_torn_journal_names_no_byte_that_was_not_written(
    tmp_path_factory: pytest.TempPathFactory, written: list[Range], data: st.DataObject
) -> None:
    """Cut anywhere, and the next line appended to what is left."""
    partial = tmp_path_factory.mktemp("partial") / "blob.g4run.incomplete"
    write(partial, written)
    journal = journal_path(partial)
    content = journal.read_bytes()
    journal.write_bytes(
        content[: data.draw(st.integers(0, len(content)))] + data.draw(st.sampled_from([b"", b"\n5 50"]))
    )
    assert is_within(kept_in(partial), [*written, (5, 50)])


@pytest.mark.parametrize(
    "line", ["0 10001", "7 7", "8 7", "-1 5", "1", "", "1 2 3", f"0 {'9' * 5_000}", f"{'0' * 19} 5", "٠ ٥"]
)
def test_a_line_that_makes_no_sense_names_nothing(partial: Path, line: str) -> None:
    write(partial, [(100, 200)])
    with journal_path(partial).open("a", encoding="utf-8") as journal:
        journal.write(f"\n{line}\n300 400")
    assert kept_in(partial) == ((100, 200), (300, 400))


@pytest.mark.parametrize(("size_bytes", "etag"), [(SIZE, "another"), (SIZE + 1, ETAG)])
def test_another_content_is_begun_anew(partial: Path, size_bytes: int, etag: str) -> None:
    write(partial, [(0, 10)])
    with closing(opened(partial, size_bytes, etag)) as file:
        assert file.kept == ()
    assert partial.stat().st_size == size_bytes
    assert present_bytes(partial) == 0


def test_syncing_makes_the_journal_short_again(partial: Path) -> None:
    file = opened(partial)
    for start in range(5_000):
        file.write(start, memoryview(b"x"))
    long = journal_path(partial).stat().st_size
    file.sync()
    file.write(6_000, memoryview(b"x"))
    file.close()
    assert journal_path(partial).stat().st_size < 120 < long
    assert kept_in(partial) == ((0, 5_000), (6_000, 6_001))


@pytest.mark.skipif(not hasattr(os, "fdatasync"), reason="the call that fails here is Linux's")
def test_a_failed_sync_takes_back_what_was_not_safe(partial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    file = opened(partial)
    file.write(0, memoryview(b"safe"))
    file.sync()
    file.write(100, memoryview(b"lost"))
    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(NotWritable):
        file.sync()
    file.close()
    assert kept_in(partial) == ((0, 4),)


def test_what_is_written_after_the_end_is_refused(partial: Path) -> None:
    file = opened(partial)
    file.close()
    with pytest.raises(ValueError):
        file.write(0, memoryview(b"late"))
    assert kept_in(partial) == ()


def test_finishing_takes_the_half_written_journal_too(partial: Path) -> None:
    file = opened(partial)
    journal_path(partial).with_name("blob.g4run.journal.new").touch()
    file.finish()
    assert list(partial.parent.iterdir()) == [partial]
    file.discard()
    assert list(partial.parent.iterdir()) == []
