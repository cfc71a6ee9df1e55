import numpy as np
import pytest

from g4run.engine.protocol import Alternative
from g4run.engine.sampling.logprobs import LogProbabilities

LOGITS = np.array([1.0, 3.0, -2.0, 3.0, 0.5], np.float32)


def test_logprobs_match_the_softmax() -> None:
    exact = np.exp(LOGITS.astype(np.float64))
    probabilities = LogProbabilities(LOGITS)
    assert [probabilities.of(token) for token in range(5)] == pytest.approx(np.log(exact / exact.sum()), abs=1e-12)


def test_the_most_likely_tokens_come_first_and_ties_by_id() -> None:
    probabilities = LogProbabilities(LOGITS)
    assert probabilities.likeliest(3) == [Alternative(token, probabilities.of(token)) for token in (1, 3, 0)]


def test_zero_and_more_than_all_alternatives() -> None:
    probabilities = LogProbabilities(LOGITS)
    assert probabilities.likeliest(0) == []
    assert [entry.token for entry in probabilities.likeliest(20)] == [1, 3, 0, 4, 2]


def test_large_logits_do_not_overflow() -> None:
    assert LogProbabilities(np.array([1e4, 1e4 - 1], np.float32)).of(0) == pytest.approx(-0.31326, abs=1e-4)


def test_a_whole_vocabulary_is_summed_in_float64() -> None:
    logits = np.random.default_rng(3).normal(0, 4, 262_144).astype(np.float32)
    exact = logits.astype(np.float64)
    total = exact.max() + np.log(np.exp(exact - exact.max()).sum())
    assert LogProbabilities(logits).of(77) == pytest.approx(exact[77] - total, abs=1e-12, rel=0)


def test_a_forbidden_token_has_no_probability() -> None:
    probabilities = LogProbabilities(np.array([0.0, -np.inf], np.float32))
    assert (probabilities.of(0), probabilities.of(1)) == (0.0, -np.inf)
    assert [entry.token for entry in probabilities.likeliest(2)] == [0]
