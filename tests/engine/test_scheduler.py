import pytest

from g4run.engine.scheduler import Scheduler, Slice


def shape(batch: list[Slice]) -> list[tuple[int, int, tuple[int, ...], bool]]:
    return [(part.sequence.sequence_id, part.position, part.tokens, part.wants_logits) for part in batch]


def advance(scheduler: Scheduler, drawn: int = 7) -> list[tuple[int, int, tuple[int, ...], bool]]:
    """One decode call in which every sequence that wants logits gets the same token."""
    scheduler.admit()
    batch = scheduler.next_batch()
    scheduler.computed(batch)
    for part in batch:
        if part.wants_logits and not scheduler.accept(part.sequence, drawn):
            scheduler.finish(part.sequence)
    return shape(batch)


def test_a_prompt_goes_in_micro_batches_and_logits_follow_its_last_token_only() -> None:
    scheduler = Scheduler(sequences=1, context_length=32, micro_batch=4)
    scheduler.submit(1, list(range(10, 20)), max_tokens=None)
    assert advance(scheduler) == [(0, 0, (10, 11, 12, 13), False)]
    assert advance(scheduler) == [(0, 4, (14, 15, 16, 17), False)]
    assert advance(scheduler) == [(0, 8, (18, 19), True)]
    assert advance(scheduler) == [(0, 10, (7,), True)]


def test_generating_sequences_come_first_and_prompts_fill_the_rest() -> None:
    scheduler = Scheduler(sequences=3, context_length=64, micro_batch=4)
    scheduler.submit(1, [1], None)
    advance(scheduler)
    scheduler.submit(2, [21, 22, 23, 24, 25], None)
    scheduler.submit(3, [31, 32], None)
    assert advance(scheduler) == [(0, 1, (7,), True), (1, 0, (21, 22, 23), False)]
    assert advance(scheduler) == [(0, 2, (7,), True), (1, 3, (24, 25), True), (2, 0, (31,), False)]
    assert advance(scheduler) == [(0, 3, (7,), True), (1, 5, (7,), True), (2, 1, (32,), True)]


def test_max_tokens_ends_a_sequence() -> None:
    scheduler = Scheduler(sequences=1, context_length=64, micro_batch=8)
    scheduler.submit(1, [1, 2], max_tokens=3)
    steps = [advance(scheduler) for _ in range(3)]
    assert [step[0][1] for step in steps] == [0, 2, 3]
    assert scheduler.is_idle


def test_a_full_context_ends_a_sequence_with_every_cell_used() -> None:
    scheduler = Scheduler(sequences=1, context_length=5, micro_batch=8)
    scheduler.submit(1, [1, 2, 3], None)
    scheduler.admit()
    (sequence,) = scheduler.running
    while not scheduler.is_idle:
        advance(scheduler)
    assert (sequence.computed, sequence.generated) == (5, 3)


def test_sequences_share_the_context() -> None:
    scheduler = Scheduler(sequences=2, context_length=8, micro_batch=8)
    scheduler.submit(1, [1, 2, 3], None)
    scheduler.submit(2, [1, 2, 3], None)
    scheduler.admit()
    sequences = scheduler.running
    while not scheduler.is_idle:
        advance(scheduler)
        assert sum(len(sequence.tokens) for sequence in scheduler.running) <= 8
    assert max(sequence.computed for sequence in sequences) <= 8


def test_a_request_waits_for_a_free_sequence_and_for_room() -> None:
    scheduler = Scheduler(sequences=2, context_length=10, micro_batch=8)
    for request_id, length in ((1, 4), (2, 7), (3, 1)):
        scheduler.submit(request_id, [9] * length, max_tokens=2)
    assert [sequence.request_id for sequence in scheduler.admit()] == [1]  # 4 + 7 do not fit; 3 does not overtake
    advance(scheduler)
    advance(scheduler)
    assert [sequence.request_id for sequence in scheduler.admit()] == [2, 3]


def test_cancel_frees_a_running_sequence_and_drops_a_waiting_request() -> None:
    scheduler = Scheduler(sequences=1, context_length=16, micro_batch=8)
    scheduler.submit(1, [1], None)
    scheduler.submit(2, [2], None)
    (running,) = scheduler.admit()
    assert scheduler.cancel(2) is True
    assert scheduler.cancel(1) is running
    assert scheduler.cancel(1) is False
    assert scheduler.is_idle


def test_a_micro_batch_smaller_than_the_sequences_is_refused() -> None:
    with pytest.raises(ValueError, match="5 sequences in micro-batches of 4 tokens"):
        Scheduler(sequences=5, context_length=32, micro_batch=4)
    with pytest.raises(ValueError, match="0 sequences"):
        Scheduler(sequences=0, context_length=32, micro_batch=4)


@pytest.mark.parametrize("tokens", [[], [1] * 8], ids=["empty", "no room for an answer"])
def test_a_prompt_that_can_never_be_served_is_refused(tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="in a context of 8"):
        Scheduler(sequences=1, context_length=8, micro_batch=4).submit(1, tokens, None)


def test_every_mix_of_requests_ends_within_its_bounds() -> None:
    scheduler = Scheduler(sequences=3, context_length=12, micro_batch=3)
    lengths = [11, 1, 5, 5, 5, 1, 11, 2, 3, 4]
    for request_id, length in enumerate(lengths):
        scheduler.submit(request_id, [9] * length, max_tokens=None if request_id % 2 else 4)
    steps = 0
    while not scheduler.is_idle:
        batch = advance(scheduler)
        assert 0 < sum(len(tokens) for _, _, tokens, _ in batch) <= 3
        assert sum(wants for *_, wants in batch) <= 3
        assert sum(sequence.computed for sequence in scheduler.running) <= 12
        steps += 1
    assert steps < 100


def test_a_prompt_that_would_fill_the_rest_of_the_cache_waits() -> None:
    scheduler = Scheduler(sequences=2, context_length=8, micro_batch=8)
    scheduler.submit(1, [9] * 3, None)
    scheduler.submit(2, [9] * 5, None)
    assert [sequence.request_id for sequence in scheduler.admit()] == [1]
