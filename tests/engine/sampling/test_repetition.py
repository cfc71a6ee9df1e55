import pytest

from g4run.engine.sampling.repetition import LONGEST_PERIOD, MOST_REPEATED, MOST_WHITESPACE, RepetitionBound


def _tokens_until_bound(pattern: list[tuple[int, bytes]], most: int = 3000) -> int | None:
    bound = RepetitionBound()
    return next((number for number in range(1, most) if bound.accept(*pattern[(number - 1) % len(pattern)])), None)


@pytest.mark.parametrize("period", [1, 2, 7, LONGEST_PERIOD])
def test_a_repetition_is_bounded_from_its_second_round_on(period: int) -> None:
    assert _tokens_until_bound([(token, b"x") for token in range(period)]) == period + MOST_REPEATED


def test_a_longer_period_is_not_taken_for_one() -> None:
    assert _tokens_until_bound([(token, b"x") for token in range(LONGEST_PERIOD + 1)]) is None


def test_whitespace_of_any_kind_is_bounded() -> None:
    assert _tokens_until_bound([(1, b" "), (2, b"\n\n"), (3, b"\t "), (4, b"\r\n")]) == MOST_WHITESPACE


def test_whitespace_between_words_is_not() -> None:
    bound = RepetitionBound()
    assert not any(bound.accept(number, b"word" if number % 20 == 0 else b" ") for number in range(2000))
