"""Rows that the graph cuts: the same logits as the whole rows', and the same tokens drawn from them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from g4run.engine.cuts import Cuts
from g4run.engine.llama import api as llama
from g4run.engine.parameters import MOST_CUT, MOST_DRAFTED, GenerationParameters, LoadParameters, SamplingParameters
from g4run.engine.sampling.sampler import Sampler
from g4run.engine.sampling.top_k import largest
from tests.engine.requests import DEMO_PATH
from tests.engine.sampling.sampler_chain import silence

Row = npt.NDArray[np.float32]
PARAMETERS = LoadParameters(DEMO_PATH, context_length=2048, threads=1, sequences=3, micro_batch=64, gpu_layers=0)
PLAIN = SamplingParameters(seed=11)
STEPS = 120


@pytest.fixture(scope="module")
def model() -> llama.Model:
    silence()
    llama.initialize_backend()
    return llama.Model(PARAMETERS, lambda _fraction: None)


class Twins:
    """Sequences 0 and 1 with the same tokens, the rows of 0 cut and those of 1 whole, decoded in one batch."""

    def __init__(self, model: llama.Model, count: int) -> None:
        self.context = llama.Context(model, PARAMETERS)
        self.cuts = Cuts(self.context, count)
        self.cuts.cut(0, wanted=True)
        self._batch = llama.Batch(self.context.micro_batch, PARAMETERS.sequences)
        self._length = 0

    def decode(self, tokens: list[int], outputs: int = 1) -> tuple[int, int]:
        """Indices of the first output of either."""
        self._batch.clear()
        first, second = (self._batch.append(sequence, self._length, tokens, outputs) for sequence in (0, 1))
        assert self.context.decode(self._batch) == 0
        self._length += len(tokens)
        return first, second

    def candidates(self, index: int) -> tuple[npt.NDArray[np.intp], Row]:
        found = self.cuts.candidates(index)
        assert found is not None
        return found


@pytest.fixture
def twins(model: llama.Model) -> Iterator[Twins]:
    twins = Twins(model, MOST_CUT)
    yield twins
    twins.cuts.cut(0, wanted=False)


@pytest.mark.parametrize("outputs", [1, 4])
def test_candidates_are_the_likeliest_of_the_row_and_have_its_logits(twins: Twins, outputs: int) -> None:
    first, second = twins.decode(list(range(300, 320)), outputs)
    for place in range(outputs):
        tokens, logits = twins.candidates(first + place)
        row = twins.context.logits(second + place)
        assert tokens.tolist() == sorted(largest(row, MOST_CUT).tolist())
        assert logits.tolist() == row[tokens].tolist()
        assert twins.cuts.candidates(second + place) is None


def test_the_longest_draft_is_cut_after_each_of_its_tokens(twins: Twins) -> None:
    prompt, batch = list(range(300, 320)), llama.Batch(64, 2)
    outputs = 1 + MOST_DRAFTED
    whole = batch.append(1, 0, prompt, outputs)
    assert twins.context.decode(batch) == 0
    rows = [twins.context.logits(whole + place).copy() for place in range(outputs)]
    batch.clear()
    cut = batch.append(0, 0, prompt, outputs)
    assert twins.context.decode(batch) == 0
    found = [twins.candidates(cut + place) for place in range(outputs)]
    assert [tokens.tolist() for tokens, _ in found] == [sorted(largest(row, MOST_CUT).tolist()) for row in rows]
    pairs = zip(found, rows, strict=True)
    assert all(np.array_equal(logits, row[tokens]) for (tokens, logits), row in pairs)


SAMPLINGS = [
    PLAIN,
    replace(PLAIN, temperature=0, top_k=0),
    replace(PLAIN, temperature=2, top_p=1, top_k=64),
    replace(PLAIN, top_k=5),
    replace(PLAIN, top_p=0.5),
    replace(PLAIN, typical_p=0.6),
    replace(PLAIN, min_p=0.1, top_p=1, top_k=40),
    replace(PLAIN, xtc_probability=0.5, xtc_threshold=0.05, temperature=1.5),
]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_same_tokens_are_drawn(model: llama.Model, twins: Twins, sampling: SamplingParameters) -> None:
    """After 120 tokens picked at random, so that the rows are of all kinds."""
    samplers = [Sampler(GenerationParameters(sampling=sampling), model.vocabulary) for _ in range(2)]
    assert not samplers[0].needs_rows
    drawn, expected = [], []
    for token in np.random.default_rng(4).integers(5, model.vocabulary_size, STEPS).tolist():
        first, second = twins.decode([token])
        drawn.append(samplers[0].draw_among(*twins.candidates(first)))
        expected.append(samplers[1].draw(twins.context, second))
    assert drawn == expected
    assert len(set(expected)) > 10
    for sampler in samplers:
        sampler.close()


def test_suppressed_tokens_are_not_drawn_and_the_others_are_the_same(model: llama.Model) -> None:
    """Suppressed are the four that would be the likeliest; as many more candidates leave the draw what it was."""
    prompt = list(range(300, 310))
    scout = Twins(model, MOST_CUT)
    suppressed = largest(scout.context.logits(scout.decode(prompt)[1]), 4).tolist()
    scout.cuts.cut(0, wanted=False)
    twins = Twins(model, MOST_CUT + len(suppressed))
    first, second = twins.decode(prompt)
    cut, whole = (Sampler(GenerationParameters(sampling=PLAIN), model.vocabulary, suppressed) for _ in range(2))
    tokens, logits = twins.candidates(first)
    drawn = [cut.draw_among(tokens, logits.copy()) for _ in range(STEPS)]
    assert drawn == [whole.draw(twins.context, second) for _ in range(STEPS)]
    assert set(suppressed) <= set(tokens.tolist()) and not set(suppressed) & set(drawn)


def test_a_row_with_nothing_to_draw_ends_the_answer(model: llama.Model) -> None:
    sampler = Sampler(GenerationParameters(), model.vocabulary)
    token = sampler.draw_among(np.arange(MOST_CUT), np.full(MOST_CUT, np.nan, np.float32))
    assert sampler.ended_by == "failed"
    assert model.is_end(token)


def test_a_sequence_may_change_again_and_again(twins: Twins) -> None:
    for wanted in (False, True, True, False, False, True):
        twins.cuts.cut(0, wanted=wanted)
        first, second = twins.decode([300])
        row = twins.context.logits(second).copy()
        if wanted:
            tokens, logits = twins.candidates(first)
            assert logits.tolist() == row[tokens].tolist()
        else:
            assert twins.cuts.candidates(first) is None
            assert twins.context.logits(first).tolist() == row.tolist()


NEEDING = [
    GenerationParameters(sampling=replace(PLAIN, top_k=0)),
    GenerationParameters(sampling=replace(PLAIN, top_k=MOST_CUT + 1)),
    GenerationParameters(sampling=replace(PLAIN, repeat_penalty=1.1)),
    GenerationParameters(sampling=replace(PLAIN, presence_penalty=0.5)),
    GenerationParameters(sampling=replace(PLAIN, frequency_penalty=0.5)),
    GenerationParameters(sampling=replace(PLAIN, dry_multiplier=0.8)),
    GenerationParameters(sampling=replace(PLAIN, temperature=0, logit_bias=((5, 1.0),))),
    GenerationParameters(sampling=PLAIN, logprobs=0),
    GenerationParameters(sampling=PLAIN, grammar='root ::= "a"'),
]


@pytest.mark.parametrize("parameters", NEEDING)
def test_what_looks_beyond_the_likeliest_needs_rows(model: llama.Model, parameters: GenerationParameters) -> None:
    sampler = Sampler(parameters, model.vocabulary)
    assert sampler.needs_rows
    sampler.close()
