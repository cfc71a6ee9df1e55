"""Logits after reuse are those of a fresh computation, whatever was reused and however.

TOLERANCE is about floating-point order alone: with micro-batches of 1 to 31 tokens instead of 32, where the same sums
are formed in another order and rounded to half precision in the cache, the largest logit of this model moved by up to
0.026 (logits have a standard deviation of 3.2). A window that is lost moves it by 0.6 to 12.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from g4run.engine.kv_cache.state_files import SavedSettings, read_saved, write_saved
from g4run.engine.llama import api as llama
from g4run.engine.llama.api import FloatArray
from g4run.engine.llama.vocabulary import Vocabulary
from tests.engine.kv_cache.reuse import Computer, load_model

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
    return lambda tokens: Computer(model).logits(tokens)


def assert_same(found: FloatArray, expected: FloatArray) -> None:
    assert found.shape == expected.shape
    assert float(np.abs(found - expected).max()) <= TOLERANCE


def test_a_lost_window_is_seen_by_this_very_comparison(model: llama.Model, story: list[int], fresh: Fresh) -> None:
    """What llama.cpp does when a sequence is cut back too far and nobody asks: it succeeds, and computes nonsense."""
    computer = Computer(model)
    sequence = computer.begin(story)
    computer.go_on(sequence, len(story))
    computer.context.truncate(sequence.sequence_id, 300)
    sequence.computed = 300
    assert float(np.abs(computer.go_on(sequence, 310) - fresh(story[:310])).max()) > 5 * TOLERANCE


def test_inside_the_window_a_prompt_goes_on_where_it_differs(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    computer = Computer(model)
    computer.logits(story)
    prompt = [*story[:850], *question]
    found = computer.logits(prompt)
    assert computer.reused == 850
    assert_same(found, fresh(prompt))


@pytest.mark.parametrize("beyond", [0, 1])
def test_the_edge_of_what_can_be_reused_is_exact(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh, beyond: int
) -> None:
    computer = Computer(model)
    sequence = computer.begin(story)
    computer.go_on(sequence, len(story))
    computer.cache.release(sequence)
    edge = computer.context.first_position(sequence.sequence_id) + model.window - 1
    assert model.window < edge < len(story) - model.window
    prompt = [*story[: edge - beyond], *question]
    found = computer.logits(prompt)
    assert computer.reused == (0 if beyond else edge)
    assert_same(found, fresh(prompt))


def test_beyond_the_window_the_newest_checkpoint_is_taken(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    computer = Computer(model)
    computer.logits(story, checkpoints=(100, 300, 500))
    prompt = [*story[:310], *question]
    found = computer.logits(prompt)
    assert computer.reused == 300
    assert_same(found, fresh(prompt))


def test_without_room_for_checkpoints_it_is_computed_again(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    computer = Computer(model, checkpoint_bytes=1000)
    computer.logits(story, checkpoints=(300,))
    prompt = [*story[:310], *question]
    found = computer.logits(prompt)
    assert computer.reused == 0
    assert_same(found, fresh(prompt))


def test_the_same_prompt_again_computes_its_last_token_only(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    """The checkpoint at a prompt's end reaches one token further than can be reused."""
    computer = Computer(model)
    sequence = computer.begin(story[:400])
    computer.go_on(sequence, 400, checkpoints=(400,))
    sequence.tokens += story[400:]  # an answer
    computer.go_on(sequence, len(story))
    computer.cache.release(sequence)
    found = computer.logits(story[:400])
    assert computer.reused == 399
    assert_same(found, fresh(story[:400]))


def test_after_a_thought_was_stripped_only_what_is_new_is_computed(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    computer = Computer(model)
    sequence = computer.begin(story[:200])
    computer.go_on(sequence, 200, checkpoints=(200,))
    thought, answer = story[300:800], story[800:]
    sequence.tokens += [*thought, *answer]
    computer.go_on(sequence, len(sequence.tokens))
    computer.cache.release(sequence)
    prompt = [*story[:200], *answer, *question]
    found = computer.logits(prompt)
    assert computer.reused == 200
    assert [each.sequence_id for each in computer.cache.sequences] == [0]  # in its own place
    assert_same(found, fresh(prompt))


def test_a_fork_of_a_running_sequence_and_its_source_both_go_on(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    computer = Computer(model)
    running = computer.begin(story)
    computer.go_on(running, 600, checkpoints=(600,))
    prompt = [*story[:600], *question]
    fork = computer.begin(prompt)
    assert computer.reused == 600
    assert_same(computer.go_on(fork, len(prompt)), fresh(prompt))
    assert_same(computer.go_on(running, 700), fresh(story[:700]))
    assert computer.cache.occupied((each, each.computed) for each in computer.cache.sequences) == 700 + len(question)


def test_eight_copies_of_a_long_sequence_leave_each_other_cells(
    model: llama.Model, story: list[int], fresh: Fresh
) -> None:
    """Were the sliding layers' cells shared, none could be overwritten, and the cache would be full at once."""
    computer = Computer(model, sequences=8)
    forks = [computer.begin(story[:800])]
    computer.go_on(forks[0], 800)
    for number in range(7):
        forks.append(computer.begin([*story[:800], *story[number : number + 100]]))
        assert computer.reused == 800
    for number, fork in enumerate(forks[1:]):
        assert_same(computer.go_on(fork, 900), fresh([*story[:800], *story[number : number + 100]]))


def test_a_sequence_that_went_to_memory_comes_back(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    computer = Computer(model, sequences=1)
    computer.logits(story)
    computer.logits([7, *story[:500]])
    assert len(list(computer.cache.ram)) == 1
    found = computer.logits([*story, *question])
    assert computer.reused == len(story)
    assert_same(found, fresh([*story, *question]))


def test_a_sequence_that_went_to_memory_brings_its_checkpoints(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh
) -> None:
    computer = Computer(model, sequences=1)
    computer.logits(story, checkpoints=(300,))
    computer.logits([7, *story[:500]])
    prompt = [*story[:310], *question]
    found = computer.logits(prompt)
    assert computer.reused == 300
    assert_same(found, fresh(prompt))


def test_a_sequence_comes_back_from_disk_in_another_context(
    model: llama.Model, story: list[int], question: list[int], fresh: Fresh, tmp_path: Path
) -> None:
    first = Computer(model)
    first.logits(story, checkpoints=(300,))
    stored = first.cache.stored_form(story)
    assert stored is not None
    write_saved(tmp_path / "state", stored, SETTINGS)
    for prompt, reused in (([*story, *question], len(story)), ([*story[:310], *question], 300)):
        computer = Computer(model)
        computer.cache.take_in(read_saved(tmp_path / "state", SETTINGS))
        found = computer.logits(prompt)
        assert computer.reused == reused
        assert_same(found, fresh(prompt))


def test_a_sequence_that_was_sent_away_while_it_generated_goes_on(
    model: llama.Model, story: list[int], fresh: Fresh
) -> None:
    computer = Computer(model)
    sequence = computer.begin(story)
    computer.go_on(sequence, 700)
    computer.cache.release(sequence)
    assert computer.cache.evict_oldest()
    assert computer.cache.sequences == ()
    found = computer.logits(story)
    assert computer.reused == 700
    assert_same(found, fresh(story))
