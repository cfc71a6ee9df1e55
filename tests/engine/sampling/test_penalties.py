"""Logit bias, penalties and DRY compared with llama.cpp's own samplers."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from g4run.engine.llama.vocabulary import piece_of
from g4run.engine.parameters import SamplingParameters
from g4run.engine.sampling.penalties import Penalties
from tests.engine.requests import DEMO
from tests.engine.sampling.sampler_chain import LlamaChain, LoadedVocabulary

SETTINGS = (
    SamplingParameters(repeat_penalty=1.3),
    SamplingParameters(repeat_penalty=0.7, repeat_last_n=5),
    SamplingParameters(presence_penalty=0.9, frequency_penalty=-0.4, repeat_last_n=-1),
    SamplingParameters(dry_multiplier=0.8),
    SamplingParameters(dry_multiplier=2, dry_base=1.0, dry_allowed_length=1),
    SamplingParameters(dry_multiplier=0.5, dry_base=3, dry_allowed_length=4, dry_last_n=40),
    SamplingParameters(dry_multiplier=1, repeat_penalty=1.1, logit_bias=((3, 2.5), (100, -7.0))),
)


@pytest.fixture(scope="module")
def loaded() -> Iterator[LoadedVocabulary]:
    loaded = LoadedVocabulary(DEMO)
    yield loaded
    loaded.close()


@pytest.mark.parametrize("sampling", SETTINGS)
def test_the_penalized_row_matches_llama_cpp_after_every_token(
    sampling: SamplingParameters, loaded: LoadedVocabulary
) -> None:
    random = np.random.default_rng(1)
    few = [*loaded.tokens('abcdef:"x*\n'), 100, 101, 102]
    history = [int(token) for token in random.choice(few, 300)]
    history[200:260] = history[100:160]  # a long repetition among the short ones
    history += [100] * 30 + [100, 101] * 20
    ours = Penalties(sampling, partial(piece_of, loaded.pointer), history[:20])
    theirs = LlamaChain(sampling, loaded)
    theirs.accept(history[:20])
    for token in history[20:]:
        logits = random.normal(0, 3, loaded.size).astype(np.float32)
        before = logits.copy()
        with ours.applied(logits):
            np.testing.assert_allclose(logits, theirs.adjusted(before), rtol=1e-6, atol=1e-5)
        assert np.array_equal(logits, before)  # put back
        ours.accept(token)
        theirs.accept([token])
    theirs.close()


def test_penalties_are_skipped_when_all_are_off(loaded: LoadedVocabulary) -> None:
    piece = partial(piece_of, loaded.pointer)
    off = (SamplingParameters(), SamplingParameters(repeat_penalty=2, repeat_last_n=0))
    assert [Penalties(each, piece, ()).is_needed for each in off] == [False, False]
    assert all(Penalties(each, piece, ()).is_needed for each in SETTINGS)


def test_the_row_is_restored_after_an_exception(loaded: LoadedVocabulary) -> None:
    penalties = Penalties(SamplingParameters(logit_bias=((3, 5.0),)), partial(piece_of, loaded.pointer), ())
    logits = np.zeros(10, np.float32)
    with pytest.raises(KeyError), penalties.applied(logits):
        assert logits[3] == 5
        raise KeyError
    assert not logits.any()
