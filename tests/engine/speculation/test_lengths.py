"""The draft length settles at the most tokens per second, or at none if drafting does not pay."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from g4run.engine.speculation.lengths import DraftLength, StepTimes

Seconds = Callable[[int], float]


def simulate(decision: DraftLength, steps: int, seconds: Seconds, acceptance: float, seed: int) -> Counter[int]:
    """Count the chosen lengths over simulated steps with random acceptance."""
    random, chosen = Random(seed), Counter[int]()
    for _ in range(steps):
        length = decision.choose()
        accepted = 0
        while accepted < length and random.random() < acceptance:
            accepted += 1
        decision.observe(length, accepted, seconds(length))
        chosen[length] += 1
    return chosen


def expected_tokens(length: int, acceptance: float) -> float:
    return sum(acceptance**number for number in range(length + 1))


def speed(chosen: Counter[int], seconds: Seconds, acceptance: float) -> float:
    tokens = sum(count * expected_tokens(length, acceptance) for length, count in chosen.items())
    return tokens / sum(count * seconds(length) for length, count in chosen.items())


def linear(step_cost: float) -> Seconds:
    return lambda drafted: 1 + step_cost * drafted


@pytest.mark.parametrize(
    ("step_cost", "acceptance", "best"),
    [(0.1, 0.6, 3), (0.2, 0.8, 4), (0.05, 0.9, 8), (0.0, 0.5, 8), (0.9, 0.5, 0), (0.3, 0.2, 0)],
)
def test_it_is_nearly_as_fast_as_the_best_fixed_length(step_cost: float, acceptance: float, best: int) -> None:
    seconds = linear(step_cost)
    assert best == max(range(9), key=lambda length: expected_tokens(length, acceptance) / seconds(length))
    decision = DraftLength(8)
    simulate(decision, 200, seconds, acceptance, seed=1)
    chosen = simulate(decision, 2000, seconds, acceptance, seed=2)
    assert speed(chosen, seconds, acceptance) > 0.98 * expected_tokens(best, acceptance) / seconds(best)
    assert decision.is_on == (best > 0)
    assert sum(chosen.values()) == 2000


def test_the_limit_is_never_exceeded() -> None:
    assert max(simulate(DraftLength(3), 500, linear(0.0), 1.0, seed=1)) == 3
    assert set(simulate(DraftLength(0), 500, linear(0.0), 1.0, seed=1)) == {0}


def test_it_measures_plain_steps_before_the_first_trial() -> None:
    decision, chosen = DraftLength(4), []
    for _ in range(7):
        chosen.append(decision.choose())
        decision.observe(chosen[-1], 0, 1.0 + chosen[-1])
    assert chosen == [0, 0, 0, 2, 2, 2, 2]
    assert (decision.choose(), decision.is_on, decision.gain) == (0, False, 1.0)


def test_pauses_grow_and_end() -> None:
    decision, pauses, plain = DraftLength(4), list[int](), 0
    for _ in range(600):
        length = decision.choose()
        if length and plain:
            pauses.append(plain)
        plain = 0 if length else plain + 1
        decision.observe(length, 0, 1.0 + length)
    assert pauses == [3, 32, 64, 128, 256]


def test_drafting_resumes_when_the_text_gets_easier() -> None:
    decision = DraftLength(4)
    simulate(decision, 300, linear(0.1), 0.0, seed=1)
    assert not decision.is_on
    simulate(decision, 300, linear(0.1), 0.9, seed=2)
    assert decision.is_on
    assert simulate(decision, 100, linear(0.1), 0.9, seed=3)[4] > 90


def test_a_plain_step_is_measured_again_while_drafting_pays() -> None:
    assert simulate(DraftLength(4), 1000, linear(0.0), 1.0, seed=1)[0] == 3 + 997 // 129


def test_drafting_stops_when_its_steps_become_slow() -> None:
    decision = DraftLength(4)
    simulate(decision, 200, linear(0.1), 0.5, seed=1)
    assert decision.is_on
    simulate(decision, 200, linear(1.0), 0.5, seed=2)
    assert not decision.is_on


def test_one_slow_step_changes_nothing() -> None:
    decision = DraftLength(4)
    simulate(decision, 200, linear(0.1), 1.0, seed=1)
    before = decision.choose()
    decision.observe(before, before, 1000.0)
    assert (before, decision.choose()) == (4, 4)


def test_a_pause_is_shortened_by_the_steps_of_other_drafters() -> None:
    decision = DraftLength(4)
    simulate(decision, 7, linear(1.0), 0.0, seed=1)
    assert decision.choose() == 0
    for _ in range(32):
        decision.skip_step()
    assert decision.choose() == 2


def test_more_accepted_than_proposed_is_refused() -> None:
    with pytest.raises(ValueError, match="3 accepted of 2 proposed tokens"):
        DraftLength(4).observe(2, 3, 1.0)


def test_unmeasured_times_are_interpolated() -> None:
    times = StepTimes()
    assert times.estimate(1) is None
    times.record(0, 1.0)
    assert (times.estimate(0), times.estimate(1)) == (1.0, None)
    times.record(4, 3.0)
    assert [times.estimate(length) for length in range(7)] == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    times.record(2, 5.0)
    assert [times.estimate(length) for length in range(7)] == [1.0, 3.0, 5.0, 4.0, 3.0, 3.5, 4.0]


def test_a_time_is_the_median_of_the_last_five() -> None:
    times = StepTimes()
    for seconds in (9.0, 9.0, 9.0, 1.0, 5.0, 2.0, 3.0, 4.0):
        times.record(0, seconds)
    assert (times.estimate(0), times.count(0), times.longest) == (3.0, 5, 0)
