"""The scheduler with the prompt cache, over a simulation of llama.cpp's cache that checks every token's past."""

import pytest

from g4run.engine.worker.request import Request
from tests.engine.kv_cache.cache_model import Setup
from tests.engine.worker.scheduled import SYSTEM, Run, alone, draw, request, shape


def test_a_prompt_is_split_into_micro_batches_with_logits_after_its_last_token() -> None:
    run = Run(Setup(sequences=1, micro_batch=4))
    run.scheduler.submit(request(1, list(range(10, 20)), 2))
    assert [shape(run.step()) for _ in range(3)] == [
        [(1, 0, (10, 11, 12, 13), 0)],
        [(1, 4, (14, 15, 16, 17), 0)],
        [(1, 8, (18, 19), 1)],
    ]
    assert shape(run.step()) == [(1, 10, (draw(list(range(10, 20))),), 1)]


def test_generating_requests_come_first_and_prompts_fill_the_rest() -> None:
    run = Run(Setup(sequences=2, micro_batch=4))
    run.scheduler.submit(request(1, [1]))
    run.step()
    run.scheduler.submit(request(2, [21, 22, 23, 24, 25]))
    first, second = draw([1]), draw([1, draw([1])])
    assert shape(run.step()) == [(1, 1, (first,), 1), (2, 0, (21, 22, 23), 0)]
    assert shape(run.step()) == [(1, 2, (second,), 1), (2, 3, (24, 25), 1)]


def test_prompts_respect_their_limit_while_another_request_generates() -> None:
    run = Run(Setup(sequences=2, micro_batch=8))
    run.scheduler.prompt_limit = 3
    run.scheduler.submit(request(2, [21, 22, 23, 24, 25, 26]))
    assert len(run.step()[0].tokens) == 6  # no other request is waiting
    run.scheduler.submit(request(3, [31, 32, 33, 34]))
    assert [len(part.tokens) for part in run.step()] == [1, 3]


def test_a_short_prompt_overtakes_a_long_one_that_still_progresses() -> None:
    run = Run(Setup(sequences=2, cells=128, micro_batch=8))
    run.scheduler.submit(request(1, [1] * 60))
    run.step()
    run.scheduler.submit(request(2, [2] * 7))
    assert [(part.request.request_id, len(part.tokens)) for part in run.step()] == [(1, 4), (2, 4)]
    assert [(part.request.request_id, len(part.tokens)) for part in run.step()] == [(1, 5), (2, 3)]


def test_a_shared_prefix_is_computed_once_and_exactly_to_its_end() -> None:
    """Eight requests that differ after a system prompt: seven wait until the first has computed it."""
    run = Run(Setup(sequences=8, cells=256, window=8, micro_batch=16))
    for number in range(8):
        run.scheduler.submit(request(number, [*SYSTEM, number, number, number], 2))
    positions = [shape(run.step()) for _ in range(4)]
    assert [[(part[1], len(part[2])) for part in step] for step in positions] == [
        [(0, 16)],
        [(16, 16)],
        [(32, 16)],
        [(48, 2)],
    ]
    run.finish()
    assert run.model.computed == 50 + 8 * (3 + 1)
    assert run.ended == {number: alone([*SYSTEM, number, number, number], 2, 256) for number in range(8)}


def test_max_tokens_ends_a_request() -> None:
    run = Run(Setup())
    run.scheduler.submit(request(1, [1, 2], 3))
    run.finish()
    assert run.ended == {1: alone([1, 2], 3, 64)}


def test_a_full_context_ends_a_request_with_every_cell_used() -> None:
    run = Run(Setup(sequences=1, cells=16, micro_batch=8))
    run.scheduler.submit(request(1, [1, 2, 3]))
    run.finish()
    assert len(run.ended[1]) == 16 + 1  # the last token is drawn, and needs no cell
    assert run.model.computed == 16


def test_a_full_cache_preempts_the_youngest_and_none_fails() -> None:
    run = Run(Setup(sequences=3, cells=48, window=8, micro_batch=8))
    for number in range(3):
        run.scheduler.submit(request(number, [number] * 6))
    run.finish()
    assert run.ended == {number: alone([number] * 6, None, 48) for number in range(3)}
    assert list(run.ended) == [0, 1, 2]


def test_a_preempted_request_is_restored_from_the_host_cache() -> None:
    run = Run(Setup(sequences=2, cells=96, window=8, micro_batch=8))
    for number in range(2):
        run.scheduler.submit(request(number, [number] * 40, 30))
    run.finish()
    assert run.model.computed == 2 * (40 + 29)


def test_a_preempted_request_waits_until_another_has_ended() -> None:
    """Otherwise it would be admitted and preempted at every step."""
    run = Run(Setup(sequences=2, cells=64, window=8, micro_batch=8))
    for number in range(2):
        run.scheduler.submit(request(number, [number] * 20))
    while not any(each.generated for each in run.scheduler.waiting):
        run.step()
    (kept,) = run.scheduler.running
    before, left = run.model.computed, 64 - kept.computed
    while run.scheduler.waiting:
        run.step()
    assert run.model.computed - before == left + 8  # the last step admits the other one, with its first micro-batch


def test_a_request_that_waits_for_room_is_not_overtaken() -> None:
    run = Run(Setup(sequences=2, cells=32, micro_batch=8))
    for request_id, length in ((1, 20), (2, 12), (3, 1)):
        run.scheduler.submit(request(request_id, [request_id] * length, 2))
    run.step()
    assert [each.request_id for each in run.scheduler.running] == [1]
    run.finish()
    assert list(run.ended) == [1, 3, 2] or list(run.ended) == [1, 2, 3]


def test_the_queue_is_bounded() -> None:
    scheduler, _, _ = Setup(sequences=1, queue_length=2).build()
    assert [scheduler.submit(request(number, [1])) for number in range(5)] == [True, True, True, False, False]


def test_a_cancelled_request_leaves_its_sequence_for_the_next() -> None:
    run = Run(Setup(sequences=1))
    run.scheduler.submit(request(1, [1, 2, 3, 4]))
    run.scheduler.submit(request(2, [1, 2, 3, 9], 1))
    run.step()
    cancelled = run.scheduler.cancel(1)
    assert cancelled is not None and cancelled.generated == 1
    assert run.scheduler.cancel(1) is None
    assert shape(run.step()) == [(2, 3, (9,), 1)]
    assert run.scheduler.is_idle


def test_deadlines_end_running_and_waiting_requests() -> None:
    run = Run(Setup(sequences=1))
    for number, deadline in ((1, 10.0), (2, 20.0), (3, None)):
        run.scheduler.submit(Request(number, [number], 1, None, deadline=deadline))
    run.step()
    assert [each.request_id for each in run.scheduler.expire(5.0)] == []
    assert [each.request_id for each in run.scheduler.expire(25.0)] == [1, 2]
    assert [each.request_id for each in run.scheduler.waiting] == [3]


def test_a_right_draft_is_accepted_and_a_wrong_one_rolled_back() -> None:
    run = Run(Setup(sequences=1, micro_batch=8))
    run.scheduler.submit(request(1, [1, 2, 3], 12))
    expected = alone([1, 2, 3], 12, 64)
    run.step()
    assert shape(run.step(expected[4:7])) == [(1, 3, tuple(expected[3:7]), 4)]
    (running,) = run.scheduler.running
    assert running.tokens == expected[:8]
    run.step([expected[8], 99, 99])
    assert running.tokens == expected[:10]
    run.finish()
    assert run.ended == {1: expected}


@pytest.mark.parametrize("sequences", [0, 5])
def test_a_micro_batch_smaller_than_the_sequences_is_refused(sequences: int) -> None:
    with pytest.raises(ValueError, match=f"{sequences} sequences in micro-batches of 4 tokens"):
        Setup(sequences=sequences, micro_batch=4).build()
