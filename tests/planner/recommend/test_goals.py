import pytest

from g4run.kv_types import KvType
from g4run.planner.recommend.goals import (
    Attempt,
    Goal,
    Preference,
    RecommendRequest,
    attempts,
    max_usefulness,
    turn_speed,
    usefulness,
)
from g4run.planner.values import Speed, SpeedRange, SpeedSource

CHAT = RecommendRequest()


def speed(generation: float, prompt: float = 1e9) -> Speed:
    return Speed(SpeedRange(0, generation, 0), SpeedRange(0, prompt, 0), SpeedSource.ESTIMATED)


def test_the_context_shrinks_before_the_cache_type_changes() -> None:
    assert attempts(CHAT) == tuple(
        Attempt(context, kv_type) for kv_type in (KvType.F16, KvType.Q8_0, KvType.Q4_0) for context in (8192, 4096)
    )


def test_requested_values_stay() -> None:
    assert attempts(RecommendRequest(context=100_000, kv_type=KvType.Q8_0)) == (Attempt(100_000, KvType.Q8_0),)
    assert {attempt.context for attempt in attempts(RecommendRequest(context=512))} == {512}
    assert {attempt.kv_type for attempt in attempts(RecommendRequest(kv_type=KvType.Q4_0))} == {KvType.Q4_0}


@pytest.mark.parametrize(
    ("goal", "context", "least"),
    [
        (Goal.CHAT, 8192, 5),
        (Goal.CODE, 32768, 8),
        (Goal.VISION, 8192, 5),
        (Goal.AUDIO, 8192, 5),
        (Goal.LONG_CONTEXT, 131072, 5),
    ],
)
def test_each_goals_context_and_speed(goal: Goal, context: int, least: float) -> None:
    balanced, patient = RecommendRequest(goal), RecommendRequest(goal, Preference.QUALITY)
    assert (balanced.wanted_context, balanced.wanted_speed, patient.wanted_speed) == (context, least, least / 2)


def test_a_requested_speed_stays_with_any_preference() -> None:
    assert RecommendRequest(preference=Preference.QUALITY, minimum_speed=0).wanted_speed == 0
    assert RecommendRequest(Goal.CODE, minimum_speed=20).wanted_speed == 20


def test_a_turn_includes_its_prompt() -> None:
    assert turn_speed(speed(30, prompt=20), Goal.CHAT) == pytest.approx(300 / (200 / 20 + 300 / 30))
    assert turn_speed(speed(0), Goal.CHAT) == 0
    assert turn_speed(speed(10, prompt=0), Goal.CHAT) == 0


def test_balanced_values_double_speed_at_one_step_until_it_is_enough() -> None:
    def worth(rate: float) -> float:
        return usefulness(0, speed(rate), CHAT)

    assert worth(10) - worth(5) == pytest.approx(1, abs=1e-6)
    assert worth(120) - worth(60) == pytest.approx(0.2, abs=1e-4)


def test_only_quality_counts_if_it_is_preferred() -> None:
    request = RecommendRequest(preference=Preference.QUALITY)
    assert usefulness(4.85, speed(3), request) == usefulness(4.85, speed(300), request) == 4.85


def test_speed_counts_double_if_it_is_preferred() -> None:
    request = RecommendRequest(preference=Preference.SPEED)
    assert usefulness(0, speed(80), request) - usefulness(0, speed(40), request) == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize("preference", Preference)
def test_no_score_exceeds_the_maximum(preference: Preference) -> None:
    request = RecommendRequest(preference=preference)
    assert usefulness(3, speed(999), request) <= max_usefulness(3, request) < max_usefulness(3.5, request)
    assert usefulness(3, speed(0), request) < max_usefulness(3, request) or preference is Preference.QUALITY
