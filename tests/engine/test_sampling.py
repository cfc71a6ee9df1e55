import numpy as np
import pytest

from g4run.engine.parameters import GenerationParameters, SamplingParameters
from g4run.engine.sampling import likeliest, logprob_of

LOGITS = np.array([1.0, 3.0, -2.0, 3.0, 0.5], np.float32)


def test_logprobs_are_those_of_the_softmax() -> None:
    expected = np.log(np.exp(LOGITS.astype(np.float64)) / np.exp(LOGITS.astype(np.float64)).sum())
    assert [logprob_of(LOGITS, token) for token in range(5)] == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_likeliest_come_in_order_and_ties_by_id() -> None:
    found = likeliest(LOGITS, 3)
    assert [entry.token for entry in found] == [1, 3, 0]
    assert [entry.logprob for entry in found] == pytest.approx([logprob_of(LOGITS, token) for token in (1, 3, 0)])


def test_none_and_more_than_all_may_be_asked_for() -> None:
    assert likeliest(LOGITS, 0) == []
    assert [entry.token for entry in likeliest(LOGITS, 20)] == [1, 3, 0, 4, 2]


def test_what_no_request_can_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens must be 1 or more, not 0"):
        GenerationParameters(max_tokens=0)
    for logprobs in (-1, 21):
        with pytest.raises(ValueError, match="logprobs must be between 0 and 20"):
            GenerationParameters(logprobs=logprobs)


def test_great_logits_do_not_overflow() -> None:
    logits = np.array([1e4, 1e4 - 1], np.float32)
    assert logprob_of(logits, 0) == pytest.approx(-0.31326, abs=1e-4)


@pytest.mark.parametrize("name", ["temperature", "top_k", "top_p", "min_p", "seed"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1])
def test_numbers_that_the_library_cannot_draw_with_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match="must be finite and not negative"):
        SamplingParameters(**{name: value})  # type: ignore[arg-type] # the counts too are given a float
