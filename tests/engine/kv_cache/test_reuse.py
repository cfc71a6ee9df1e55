"""Logits after any kind of reuse match a fresh computation.

TOLERANCE covers floating-point order only: with micro-batches of 1 to 31 tokens instead of 32, where the same sums
are formed in another order and rounded to half precision in the cache, the largest logit of this model moved by up to
0.026 (logits have a standard deviation of 3.2). A lost window moves it by 0.6 to 12.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from g4run.engine.kv_cache.state_files import SavedSettings, read_saved, write_saved
from g4run.engine.llama import api as llama
from g4run.engine.llama.api import FloatArray
from g4run.engine.llama.vocabulary import Vocabulary
from tests.engine.kv_cache.reuse import ReuseRunner, load_model

TOLERANCE = 0.1
SETTINGS = SavedSettings("digest", "f16", 6, 64, 1280, llama.LIBRARY_VERSION)


@pytest.fixture(scope="module")
def model() -> llama.Model:
    return load_model()


@pytest.fixture(scope="module")
def story(vocabulary: Vocabulary) -> list[int]:
    text = "Once upon a time there was a lighthouse at the end of the world, and nobody knew who had built it. "
    return [vocabulary.control_token("<bos>"), *vocabulary.tokenize(text * 30)][:900]


@pytest.fixture(scope="module")
def question(vocabulary: Vocabulary) -> list[int]:
    return vocabulary.tokenize(" But who was the old woman, and why did she keep a light for the ships?")


Fresh = Callable[[list[int]], FloatArray]


@pytest.fixture(scope="module")
def fresh(model: llama.Model) -> Fresh:
    return lambda tokens: ReuseRunner(model).logits(tokens)


def assert_same(found: FloatArray, expected: FloatArray) -> None:
    assert found.shape == expected.shape
    assert float(np.abs(found - expected).max()) <= TOLERANCE


def test_the_comparison_detects_a_lost_window(model: llama.Model, story: list[int], fresh: Fresh) -> None:
    """When a sequence is truncated beyond its window, llama.cpp succeeds and computes garbage."""
    runner = ReuseRunner(model)
    sequence = runner.begin(story)
    runner.compute(sequence, len(story))
    runner.context.truncate(sequence.sequence_id, 300)
    sequence.computed = 300
    assert float(np.abs(runner.compute(sequence, 310) - fresh(story[:310])).max()) > 5 * TOLERANCE


def test_a_prompt_that_differs_within_the_window_continues_there(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    runner = ReuseRunner(model)
    runner.logits(story)
    prompt = [*story[:850], *question]
    found = runner.logits(prompt)
    assert runner.reused == 850
    assert_same(found, fresh(prompt))


@pytest.mark.parametrize("beyond", [0, 1])
def test_the_limit_of_reuse_is_exact(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh, beyond: int
) -> None:
    runner = ReuseRunner(model)
    sequence = runner.begin(story)
    runner.compute(sequence, len(story))
    runner.cache.release(sequence)
    edge = runner.context.first_position(sequence.sequence_id) + model.window - 1
    assert model.window < edge < len(story) - model.window
    prompt = [*story[: edge - beyond], *question]
    found = runner.logits(prompt)
    assert runner.reused == (0 if beyond else edge)
    assert_same(found, fresh(prompt))


def test_beyond_the_window_the_newest_checkpoint_is_used(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    runner = ReuseRunner(model)
    runner.logits(story, checkpoints=(100, 300, 500))
    prompt = [*story[:310], *question]
    found = runner.logits(prompt)
    assert runner.reused == 300
    assert_same(found, fresh(prompt))


def test_without_room_for_checkpoints_the_prompt_is_computed_again(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    runner = ReuseRunner(model, checkpoint_bytes=1000)
    runner.logits(story, checkpoints=(300,))
    prompt = [*story[:310], *question]
    found = runner.logits(prompt)
    assert runner.reused == 0
    assert_same(found, fresh(prompt))


def test_the_same_prompt_again_computes_its_last_token_only(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    """The checkpoint at a prompt's end is one token longer than can be reused."""
    runner = ReuseRunner(model)
    sequence = runner.begin(story[:400])
    runner.compute(sequence, 400, checkpoints=(400,))
    sequence.tokens += story[400:]  # an answer
    runner.compute(sequence, len(story))
    runner.cache.release(sequence)
    found = runner.logits(story[:400])
    assert runner.reused == 399
    assert_same(found, fresh(story[:400]))


def test_after_a_thought_is_stripped_only_new_tokens_are_computed(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    runner = ReuseRunner(model)
    sequence = runner.begin(story[:200])
    runner.compute(sequence, 200, checkpoints=(200,))
    thought, answer = story[300:800], story[800:]
    sequence.tokens += [*thought, *answer]
    runner.compute(sequence, len(sequence.tokens))
    runner.cache.release(sequence)
    prompt = [*story[:200], *answer, *question]
    found = runner.logits(prompt)
    assert runner.reused == 200
    assert [each.sequence_id for each in runner.cache.sequences] == [0]  # in its own sequence
    assert_same(found, fresh(prompt))


def test_a_running_sequence_and_its_fork_both_continue(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    runner = ReuseRunner(model)
    running = runner.begin(story)
    runner.compute(running, 600, checkpoints=(600,))
    prompt = [*story[:600], *question]
    fork = runner.begin(prompt)
    assert runner.reused == 600
    assert_same(runner.compute(fork, len(prompt)), fresh(prompt))
    assert_same(runner.compute(running, 700), fresh(story[:700]))
    assert runner.cache.occupied_cells((each, each.computed) for each in runner.cache.sequences) == 700 + len(question)


def test_eight_copies_of_a_long_sequence_fit(model: llama.Model, story: list[int], fresh: Fresh) -> None:
    """If the sliding layers' cells were shared, none could be overwritten, and the cache would be full at once."""
    runner = ReuseRunner(model, sequences=8)
    forks = [runner.begin(story[:800])]
    runner.compute(forks[0], 800)
    for number in range(7):
        forks.append(runner.begin([*story[:800], *story[number : number + 100]]))
        assert runner.reused == 800
    for number, fork in enumerate(forks[1:]):
        assert_same(runner.compute(fork, 900), fresh([*story[:800], *story[number : number + 100]]))


def test_an_evicted_sequence_is_restored_from_the_host_cache(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    runner = ReuseRunner(model, sequences=1)
    runner.logits(story)
    runner.logits([7, *story[:500]])
    assert len(list(runner.cache.host_cache)) == 1
    found = runner.logits([*story, *question])
    assert runner.reused == len(story)
    assert_same(found, fresh([*story, *question]))


def test_a_sequence_restored_from_the_host_cache_has_its_checkpoints(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    runner = ReuseRunner(model, sequences=1)
    runner.logits(story, checkpoints=(300,))
    runner.logits([7, *story[:500]])
    prompt = [*story[:310], *question]
    found = runner.logits(prompt)
    assert runner.reused == 300
    assert_same(found, fresh(prompt))


def test_a_sequence_is_restored_from_a_state_file_in_another_context(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh, tmp_path: Path
) -> None:
    first = ReuseRunner(model)
    first.logits(story, checkpoints=(300,))
    stored = first.cache.snapshot(story)
    assert stored is not None
    write_saved(tmp_path / "state", stored, SETTINGS)
    for prompt, reused in (([*story, *question], len(story)), ([*story[:310], *question], 300)):
        runner = ReuseRunner(model)
        runner.cache.add_restored(read_saved(tmp_path / "state", SETTINGS))
        found = runner.logits(prompt)
        assert runner.reused == reused
        assert_same(found, fresh(prompt))


def test_a_sequence_evicted_while_generating_continues(model: llama.Model, story: list[int], fresh: Fresh) -> None:
    runner = ReuseRunner(model)
    sequence = runner.begin(story)
    runner.compute(sequence, 700)
    runner.cache.release(sequence)
    assert runner.cache.evict_oldest()
    assert runner.cache.sequences == ()
    found = runner.logits(story)
    assert runner.reused == 700
    assert_same(found, fresh(story))
