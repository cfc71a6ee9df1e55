from itertools import pairwise

import pytest

from g4run.kv_types import KvType
from g4run.planner.recommend.goals import (
    Attempt,
    Goal,
    Preference,
    RecommendRequest,
    attempts,
    is_as_fast,
    reaches_minimum,
    turn_speed,
    usefulness,
)
from g4run.planner.values import Speed, SpeedRange, SpeedSource

CHAT = RecommendRequest()


def speed(generation: float, prompt: float = 1e9, error: float = 1.2) -> Speed:
    tokens = SpeedRange(generation / error, generation, generation * error)
    return Speed(tokens, SpeedRange(0, prompt, 0), SpeedSource.ESTIMATED)


def worth(rate: float, preference: Preference = Preference.BALANCED) -> float:
    return usefulness(0, speed(rate), RecommendRequest(preference=preference))


def test_the_context_shrinks_before_the_cache_type_changes() -> None:
    assert attempts(CHAT) == tuple(
        Attempt(context, kv_type) for kv_type in (KvType.F16, KvType.Q8_0, KvType.Q4_0) for context in (8192, 4096)
    )


def test_requested_values_stay() -> None:
    assert attempts(RecommendRequest(context=100_000, kv_type=KvType.Q8_0)) == (Attempt(100_000, KvType.Q8_0),)
    assert {attempt.context for attempt in attempts(RecommendRequest(context=512))} == {512}
    assert {attempt.kv_type for attempt in attempts(RecommendRequest(kv_type=KvType.Q4_0))} == {KvType.Q4_0}


@pytest.mark.parametrize(
    ("goal", "context"),
    [(Goal.CHAT, 8192), (Goal.CODE, 32768), (Goal.VISION, 8192), (Goal.AUDIO, 8192), (Goal.LONG_CONTEXT, 131072)],
)
def test_each_goals_context(goal: Goal, context: int) -> None:
    assert RecommendRequest(goal).wanted_context == context


def test_a_turn_includes_its_prompt() -> None:
    assert turn_speed(speed(30, prompt=20), Goal.CHAT) == pytest.approx(300 / (200 / 20 + 300 / 30))
    assert turn_speed(speed(0), Goal.CHAT) == 0
    assert turn_speed(speed(10, prompt=0), Goal.CHAT) == 0


@pytest.mark.parametrize("preference", Preference)
def test_the_worth_of_a_speed_has_no_cliff(preference: Preference) -> None:
    """A speed that is 2 % higher is worth more, but never more than a fifth of a quality step where people chat."""
    rates = [4 * 1.02**step for step in range(250)]  # 4 to 560 tokens/s
    gains = [worth(faster, preference) - worth(rate, preference) for rate, faster in pairwise(rates)]
    assert min(gains) >= 0
    assert max(gains) < 0.2


def test_balanced_a_chat_slower_than_reading_costs_more_than_any_size_gains() -> None:
    """E2B and 31B are 3.6 steps apart."""
    assert worth(10) - worth(1) > 3.6
    assert worth(40) - worth(20) < 0.25


def test_with_quality_preferred_speed_counts_only_where_nobody_chats() -> None:
    """26B A4B and 31B are 0.6 steps apart."""
    assert worth(200, Preference.QUALITY) - worth(10, Preference.QUALITY) < 0.05
    assert worth(10, Preference.QUALITY) - worth(4, Preference.QUALITY) > 0.6


def test_with_speed_preferred_double_the_speed_is_worth_a_size() -> None:
    assert worth(60, Preference.SPEED) - worth(30, Preference.SPEED) > 1


@pytest.mark.parametrize("preference", Preference)
def test_no_score_exceeds_the_quality(preference: Preference) -> None:
    request = RecommendRequest(preference=preference)
    assert usefulness(3, speed(0), request) < usefulness(3, speed(999), request) <= 3


def test_a_difference_within_the_error_is_none() -> None:
    assert is_as_fast(speed(4.3), speed(5.1), Goal.CHAT)
    assert not is_as_fast(speed(4.2), speed(5.1), Goal.CHAT)
    assert is_as_fast(speed(9), speed(5.1), Goal.CHAT)
    assert not is_as_fast(speed(10, error=4), speed(13, error=4), Goal.CHAT), "they share most of such an error"


def test_a_requested_speed_is_a_filter_with_the_error_allowed_for() -> None:
    asked = RecommendRequest(minimum_speed=20)
    assert [reaches_minimum(speed(rate), asked) for rate in (16, 17, 25)] == [False, True, True]
    assert reaches_minimum(speed(0.1), CHAT)


def test_a_requested_speed_is_the_comfortable_one() -> None:
    asked = RecommendRequest(minimum_speed=50)
    assert usefulness(0, speed(50), asked) - usefulness(0, speed(100), asked) < worth(50) - worth(100) - 0.5
