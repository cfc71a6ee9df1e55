"""Prompt lookup drafts what followed the longest match."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from g4run.engine.speculation.lookup import LookupDrafter


def slow_proposal(tokens: Sequence[int], limit: int) -> list[int]:
    """The same by comparing every position: 3 to 24 matching tokens, the most recent match on a tie."""
    best, longest = -1, 2
    for place in range(len(tokens) - 1, 2, -1):
        length = 0
        while length < min(24, place) and tokens[place - 1 - length] == tokens[-1 - length]:
            length += 1
        if length > longest:
            best, longest = place, length
    extended = list(tokens)
    for number in range(limit if best >= 0 else 0):
        extended.append(extended[best + number])
    return extended[len(tokens) :]


def test_what_followed_the_last_occurrence_is_proposed() -> None:
    assert LookupDrafter().propose(1, [1, 2, 3, 4, 5, 6, 9, 1, 2, 3], 4) == [4, 5, 6, 9]


def test_a_longer_match_wins_over_a_more_recent_one() -> None:
    tokens = [7, 1, 2, 3, 50, 8, 1, 2, 3, 60, 7, 1, 2, 3]
    assert LookupDrafter().propose(1, tokens, 1) == [50]


def test_the_most_recent_of_equal_matches_wins() -> None:
    tokens = [8, 1, 2, 3, 50, 9, 1, 2, 3, 60, 7, 1, 2, 3]
    assert LookupDrafter().propose(1, tokens, 1) == [60]


def test_a_repeating_pattern_continues_into_its_own_draft() -> None:
    assert LookupDrafter().propose(1, [4, 5, 4, 5, 4, 5], 5) == [4, 5, 4, 5, 4]
    assert LookupDrafter().propose(1, [4, 4, 4, 4], 3) == [4, 4, 4]


def test_nothing_is_proposed_without_three_matching_tokens() -> None:
    drafter = LookupDrafter()
    assert [drafter.propose(1, tokens, 4) for tokens in ([], [1], [1, 2], [1, 1, 1], [1, 2, 3, 9, 2, 3])] == [[]] * 5


def test_nothing_is_proposed_with_a_limit_of_zero() -> None:
    assert LookupDrafter().propose(1, [1, 1, 1, 1, 1], 0) == []


def test_another_request_starts_over() -> None:
    drafter = LookupDrafter()
    assert drafter.propose(1, [1, 2, 3, 4, 1, 2, 3], 1) == [4]
    assert drafter.propose(2, [9, 1, 2, 3, 9, 8, 1, 2, 3], 1) == [9]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=15), st.integers(0, 6))
def test_it_matches_a_comparison_of_every_position(tokens: list[int], limit: int) -> None:
    assert LookupDrafter().propose(1, tokens, limit) == slow_proposal(tokens, limit)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.data())
def test_the_draft_does_not_depend_on_how_the_tokens_arrived(tokens: list[int], data: st.DataObject) -> None:
    drafter, length = LookupDrafter(), 0
    while length < len(tokens):
        length = data.draw(st.integers(length + 1, len(tokens)))
        drafted = drafter.propose(1, tokens[:length], 5)
    assert drafted == LookupDrafter().propose(1, tokens, 5)


def test_an_early_match_is_found_in_a_long_sequence() -> None:
    tokens = [*range(100_000), 17, 18, 19]
    assert LookupDrafter().propose(1, tokens, 4) == [20, 21, 22, 23]
