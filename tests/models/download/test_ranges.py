from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from g4run.models.download.segments import Range, Ranges

SIZE = 40

pairs = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), max_size=15)


def members(ranges: list[Range]) -> set[int]:
    return {place for start, end in ranges for place in range(start, end)}


@given(pairs)
def test_ranges_are_the_set_of_their_bytes(added: list[Range]) -> None:
    ranges, expected = Ranges(added), members(added)
    listed = list(ranges)
    assert members(listed) == expected
    assert ranges.total == len(expected)
    assert ranges.front == min(set(range(SIZE + 1)) - expected)
    assert all(end < start for (_, end), (start, _) in pairwise(listed))


@given(pairs, st.integers(0, SIZE), st.integers(0, SIZE))
def test_gaps_are_what_is_missing_in_order(added: list[Range], start: int, end: int) -> None:
    gaps = list(Ranges(added).gaps(start, end))
    assert members(gaps) == set(range(start, end)) - members(added)
    assert gaps == sorted(gaps)
    assert all(first < last for first, last in gaps)
