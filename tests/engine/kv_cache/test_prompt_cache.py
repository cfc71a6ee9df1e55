"""Which sequence a request gets and what it reuses, over a simulation of llama.cpp's cache."""

from collections.abc import Collection

from g4run.engine.kv_cache.cached_sequence import CachedSequence
from g4run.engine.worker.request import Request, Slice
from tests.engine.kv_cache.cache_model import Setup

ONE, OTHER = list(range(100, 160)), list(range(200, 260))


class Cache:
    """A prompt cache that computes each prompt in one go."""

    def __init__(self, setup: Setup) -> None:
        _, self.model, self.cache = setup.build()

    def begin(self, tokens: list[int]) -> tuple[CachedSequence, int]:
        """Return a prompt's sequence and the number of reused tokens."""
        sequence = self.cache.start(list(tokens), len(tokens), self.cache.find(tokens))
        return sequence, sequence.computed

    def compute(self, sequence: CachedSequence, checkpoints: Collection[int] = ()) -> None:
        """Compute token by token, so that the sliding layers lose as much as they can."""
        owner = Request(0, sequence.tokens, len(sequence.tokens), sequence=sequence)
        while sequence.computed < len(sequence.tokens):
            part = Slice(owner, sequence.computed, (sequence.tokens[sequence.computed],), 0)
            assert self.model.decode([part])
            sequence.computed += 1
            self.cache.record_computed(1)
            if sequence.computed in checkpoints:
                self.cache.take_checkpoint(sequence)

    def run(self, tokens: list[int], *checkpoints: int) -> tuple[int, int]:
        """Compute a prompt and keep it; return its sequence id and the number of reused tokens."""
        sequence, reused = self.begin(tokens)
        self.compute(sequence, checkpoints)
        self.cache.release(sequence)
        return sequence.sequence_id, reused


def test_a_conversation_continues_in_its_own_sequence() -> None:
    cache = Cache(Setup(sequences=3, cells=256))
    assert cache.run(ONE) == (0, 0)
    assert cache.run(OTHER) == (1, 0)
    assert cache.run([*ONE, 1, 2, 3]) == (0, 60)


def test_a_conversation_with_the_same_prefix_leaves_the_first_unchanged() -> None:
    cache = Cache(Setup(sequences=3, cells=256))
    cache.run(ONE, 40)
    assert cache.run([*ONE[:40], 1, 2, 3]) == (1, 40)
    assert cache.run([*ONE, 4]) == (0, 60)


def test_the_least_recently_used_is_evicted_to_the_host_cache_and_restored() -> None:
    cache = Cache(Setup(sequences=2, cells=256))
    cache.run(ONE)
    cache.run(OTHER)
    cache.run([*ONE, 1])
    third = list(range(300, 360))
    assert cache.run(third) == (1, 0)
    assert [each.tokens for each in cache.cache.host_cache] == [OTHER]
    assert cache.run([*OTHER, 2]) == (0, 60)
    assert [each.tokens for each in cache.cache.host_cache] == [[*ONE, 1]]


def test_with_one_sequence_a_discarded_tail_goes_to_the_host_cache() -> None:
    cache = Cache(Setup(sequences=1, cells=256))
    cache.run(ONE, 20)
    assert cache.run([*ONE[:20], *OTHER]) == (0, 20)
    assert cache.run([*ONE, 5]) == (0, 60)


def test_a_stored_sequence_stays_when_a_prompt_shares_only_a_prefix() -> None:
    cache = Cache(Setup(sequences=1, cells=256))
    cache.run(ONE, 40)
    cache.run(OTHER)
    assert cache.run([*ONE[:40], 1]) == (0, 40)
    assert ONE in [each.tokens for each in cache.cache.host_cache]


def test_checkpoints_of_replaced_tokens_are_dropped() -> None:
    """The sequence diverges after position 20; its old checkpoint at 50 belongs to other tokens."""
    cache = Cache(Setup(sequences=1, cells=256, ram_cache_bytes=0))
    cache.run(ONE, 20, 50)
    changed = [*ONE[:20], *OTHER]
    assert cache.run(changed) == (0, 20)
    (kept,) = cache.cache.sequences
    assert [each.length for each in kept.checkpoints] == [20]
    assert cache.run([*changed[:55], 1])[1] == 20


def test_a_running_sequence_can_be_forked_and_is_unchanged() -> None:
    cache = Cache(Setup(sequences=2, cells=256))
    running, _ = cache.begin(ONE)
    cache.compute(running)
    assert cache.run([*ONE, 1]) == (1, 60)
    running.tokens += [7, 8]
    cache.compute(running)  # the simulation checks every token's past
    cells = cache.cache.occupied_cells((each, each.computed) for each in cache.cache.sequences)
    assert cells == 60 + 1 + 2


def test_a_sequence_over_the_host_cache_budget_is_dropped() -> None:
    cache = Cache(Setup(sequences=1, cells=256, ram_cache_bytes=100))
    cache.run(ONE)
    cache.run(OTHER)
    assert list(cache.cache.host_cache) == []
    assert cache.run(ONE) == (0, 0)


def test_an_empty_prompt_cache_reuses_nothing_and_all_cells_are_free() -> None:
    cache = Cache(Setup(sequences=2, cells=64, window=8, micro_batch=8))
    assert cache.cache.find(ONE).length == 0
    assert cache.cache.free_cells == 2 * 8 + 8  # the sliding layers have fewer
    assert cache.cache.snapshot(ONE) is None


def test_a_short_common_prefix_is_not_copied_and_checkpoints_do_not_accumulate() -> None:
    cache = Cache(Setup(sequences=3, cells=256))
    for number in range(40):
        assert cache.run([2, *range(1000 * number, 1000 * number + 40)], 20)[1] == 0
    assert all(len(each.checkpoints) == 1 for each in (*cache.cache.sequences, *cache.cache.host_cache))


def test_another_prompt_does_not_take_over_a_short_prompt_with_a_long_answer() -> None:
    cache = Cache(Setup(sequences=2, cells=256))
    sequence, _ = cache.begin([2, 7, 7, 5, 5, 5, 5, 5])
    cache.compute(sequence)
    sequence.tokens += ONE
    cache.compute(sequence)
    cache.cache.release(sequence)
    assert cache.run([2, 7, 7, 6, 6, 6]) == (1, 0)
    assert cache.run([2, 7, 7, 5, 5, 5, 5, 5, *ONE, 1]) == (0, 68)
