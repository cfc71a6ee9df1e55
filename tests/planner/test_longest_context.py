"""The search for the longest context: its results, and how often it asks."""

from hypothesis import given
from hypothesis import strategies as st

from g4run.kv_types import KvType
from g4run.planner.longest_context import LongestContexts, first_accepted

TRAINED = 131_072


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_first_accepted_number(bound: int, count: int) -> None:
    expected = next((number for number in range(count) if number >= bound), None)
    assert first_accepted(range(count), lambda number: number >= bound) == expected


@given(st.integers(0, TRAINED + 1000))
def test_the_longest_in_steps_of_256(room: int) -> None:
    longest = LongestContexts(lambda _, context: context <= room, TRAINED, {})
    assert longest[KvType.F16] == min(room // 256 * 256, TRAINED)


def test_a_trained_context_between_two_steps_is_reached() -> None:
    assert LongestContexts(lambda *_: True, 1000, {})[KvType.Q8_0] == 1000


def test_a_context_known_to_fit_is_the_minimum() -> None:
    longest = LongestContexts(lambda _, context: context <= 1000, TRAINED, {KvType.Q8_0: 1000})
    assert dict(longest) == {KvType.F16: 768, KvType.Q8_0: 1000, KvType.Q4_0: 768}


def test_each_type_is_searched_once_on_first_use() -> None:
    asked: list[tuple[KvType, int]] = []

    def fits(kv_type: KvType, context: int) -> bool:
        asked.append((kv_type, context))
        return context <= 5000

    longest = LongestContexts(fits, TRAINED, {})
    assert (len(longest), list(longest), asked) == (3, [KvType.F16, KvType.Q8_0, KvType.Q4_0], [])
    assert (longest[KvType.Q4_0], longest[KvType.Q4_0]) == (4864, 4864)
    assert {kv_type for kv_type, _ in asked} == {KvType.Q4_0}
    assert len(asked) == len(set(asked)) <= 12


def up_to(most: int) -> LongestContexts:
    return LongestContexts(lambda _, context: context <= most, TRAINED, {})


def test_equal_results_are_equal_and_print_as_a_dict() -> None:
    assert up_to(5000) == up_to(5100)
    assert up_to(5000) != up_to(4000)
    assert repr(up_to(4000)) == f"LongestContexts({dict.fromkeys(KvType, 3840)})"
