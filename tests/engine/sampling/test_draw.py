"""Draws compared with llama.cpp's own sampler chain, token by token, and with the exact probabilities."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from g4run.engine.parameters import GenerationParameters, SamplingParameters
from g4run.engine.sampling.draw import SamplerChain
from g4run.engine.sampling.sampler import Sampler
from tests.engine.requests import DEMO
from tests.engine.sampling.sampler_chain import LlamaChain, LoadedVocabulary

OFF = SamplingParameters(temperature=1, top_k=0, top_p=1, min_p=0, seed=11)
SETTINGS = {
    "greedy": replace(OFF, temperature=0),
    "google": replace(OFF, top_k=64, top_p=0.95),
    "nothing": OFF,
    "cold": replace(OFF, temperature=0.3, top_k=40),
    "hot": replace(OFF, temperature=3, top_k=300, min_p=0.01),
    "top-p alone": replace(OFF, top_p=0.7),
    "min-p alone": replace(OFF, min_p=0.1),
    "top-p and min-p": replace(OFF, top_p=0.9, min_p=0.05),
    "typical": replace(OFF, top_k=100, typical_p=0.6),
    "typical alone": replace(OFF, typical_p=0.5, top_p=0.9),
    "xtc": replace(OFF, top_k=64, xtc_probability=0.5, xtc_threshold=0.05),
    "all": replace(
        OFF, top_k=80, top_p=0.9, min_p=0.01, typical_p=0.9, xtc_probability=0.3, temperature=1.4, repeat_penalty=1.3
    ),
    "penalties": replace(OFF, top_k=64, repeat_penalty=1.2, presence_penalty=0.5, frequency_penalty=0.3),
    "penalties of all": replace(OFF, top_k=64, repeat_penalty=1.5, repeat_last_n=-1),
    "greedy penalties": replace(OFF, temperature=0, repeat_penalty=1.5, repeat_last_n=8),
    "dry": replace(OFF, top_k=20, dry_multiplier=0.8),
    "bias": replace(OFF, top_k=30, logit_bias=((5, 9.0), (7, -100.0), (9, -math.inf))),
}


@pytest.fixture(scope="module")
def loaded() -> Iterator[LoadedVocabulary]:
    loaded = LoadedVocabulary(DEMO)
    yield loaded
    loaded.close()


def _peaked_rows(size: int, count: int) -> npt.NDArray[np.float32]:
    rows = np.random.default_rng(5).normal(0, 3, (count, size)).astype(np.float32)
    rows[:, 100:112] += np.linspace(4, 8, 12, dtype=np.float32)  # a few tokens that are drawn often
    return rows


@pytest.mark.parametrize("name", SETTINGS)
def test_the_same_seed_draws_the_same_tokens_as_llama_cpp(name: str, loaded: LoadedVocabulary) -> None:
    prompt = [100, 101, 102, 103, 100, 101]
    ours = Sampler(GenerationParameters(sampling=SETTINGS[name]), loaded.table, prompt=prompt)
    theirs = LlamaChain(SETTINGS[name], loaded)
    theirs.accept(prompt)
    rows = _peaked_rows(loaded.size, 150)
    assert [ours.draw_from(row) for row in rows] == [theirs.draw(row) for row in rows]
    ours.close()
    theirs.close()


def test_a_large_vocabulary_gives_the_same_draws(loaded: LoadedVocabulary) -> None:
    """The row is peaked, like a model's; over a flat one, llama.cpp's float32 sums put top-p's cut a few tokens off."""
    logits = np.random.default_rng(9).normal(0, 6, 262_144).astype(np.float32)
    for name in ("google", "top-p alone", "min-p alone"):
        ours, theirs = SamplerChain(SETTINGS[name]), LlamaChain(SETTINGS[name], loaded)
        assert [ours.draw(logits) for _ in range(3)] == [theirs.draw(logits) for _ in range(3)]
        ours.close()
        theirs.close()


def test_top_p_alone_keeps_the_exact_share_of_a_flat_row() -> None:
    logits = np.random.default_rng(9).normal(0, 1, 50_000).astype(np.float32)
    exact = np.sort(np.exp(logits.astype(np.float64)))[::-1].cumsum()
    kept = int(np.searchsorted(exact, 0.9 * exact[-1])) + 1
    chain = SamplerChain(replace(OFF, top_p=0.9))
    tokens, is_sorted = chain._cut(logits)
    chain.close()
    assert is_sorted
    assert np.array_equal(tokens, np.argsort(-logits, kind="stable")[: len(tokens)])
    assert len(tokens) == pytest.approx(kept, abs=1)


def test_draws_follow_the_exact_probabilities() -> None:
    """Pearson's chi-square over 9 tokens: 8 degrees of freedom exceed 26.12 once in 1000; the seed is fixed."""
    logits = np.array([2.0, 1.5, 1.0, 0.7, 0.3, 0.0, -0.5, -1.0, -2.0], np.float32)
    exact = np.exp(logits.astype(np.float64) / 1.3)
    expected = 20_000 * exact / exact.sum()
    assert _chi_square(replace(OFF, temperature=1.3), logits, expected) < 26.12
    assert _chi_square(replace(OFF, temperature=1.0), logits, expected) > 26.12  # the test can tell


def test_draws_after_top_k_follow_the_renormalized_probabilities() -> None:
    logits = np.array([2.0, 1.5, 1.0, 0.7, 0.3, 0.0, -0.5, -1.0, -2.0], np.float32)
    exact = np.exp(logits[:4].astype(np.float64))
    expected = 20_000 * exact / exact.sum()  # 3 degrees of freedom: 16.27
    assert _chi_square(replace(OFF, top_k=4), logits, np.append(expected, [0] * 5)) < 16.27


def _chi_square(
    sampling: SamplingParameters, logits: npt.NDArray[np.float32], expected: npt.NDArray[np.float64]
) -> float:
    chain = SamplerChain(sampling)
    counts = np.bincount([chain.draw(logits) or 0 for _ in range(20_000)], minlength=len(logits))
    chain.close()
    assert not counts[expected == 0].any()
    possible = expected > 0
    return float(((counts - expected)[possible] ** 2 / expected[possible]).sum())


@pytest.mark.parametrize("name", ["greedy", "google", "nothing", "top-p alone", "min-p alone", "typical alone"])
@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_a_row_of_only_nan_or_infinity_draws_nothing(name: str, value: float) -> None:
    chain = SamplerChain(SETTINGS[name])
    assert chain.draw(np.full(300, value, np.float32)) is None
    chain.close()


def test_a_temperature_too_small_to_divide_by_is_greedy() -> None:
    chain = SamplerChain(replace(OFF, temperature=1e-30))
    assert [chain.draw(np.array([0, 20, 19.9], np.float32)) for _ in range(5)] == [1] * 5
    chain.close()
