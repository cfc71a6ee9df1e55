import pytest

from g4run.engine.kv_cache.swa_checkpoints import Checkpoint, CheckpointStore, is_window_whole


@pytest.mark.parametrize(
    ("first", "length", "whole"),
    [
        (-1, 0, True),
        (0, 5, True),
        (0, 1000, True),
        (937, 1000, True),
        (938, 1000, False),
        (1, 64, True),
        (2, 64, False),
    ],
)
def test_a_window_is_whole_if_it_has_all_that_the_next_token_sees(first: int, length: int, whole: bool) -> None:
    """Position `length` sees 64 positions, itself included: the oldest is length - 63."""
    assert is_window_whole(first, length, 64) is whole


def test_no_cells_make_no_window() -> None:
    assert not is_window_whole(-1, 5, 64)


def checkpoint(length: int, size: int) -> Checkpoint:
    return Checkpoint(length, max(0, length - 64), memoryview(bytes(size)))


def test_a_checkpoint_serves_its_length_and_one_token_less() -> None:
    taken = checkpoint(100, 1)  # cells 36 to 99
    assert [taken.reusable(prefix, 64) for prefix in (200, 100, 99, 98)] == [100, 100, 99, 0]


def test_the_least_recently_used_is_dropped_first() -> None:
    store = CheckpointStore(30)
    kept = [checkpoint(length, 10) for length in (1, 2, 3)]
    assert [store.add(each) for each in kept] == [True, True, True]
    store.touch(kept[0])
    newest = checkpoint(4, 10)
    assert store.add(newest)
    assert [each.state is not None for each in (*kept, newest)] == [True, False, True, True]
    assert store.size_bytes == 30


def test_a_checkpoint_over_the_budget_drops_no_other() -> None:
    store = CheckpointStore(30)
    small, large = checkpoint(1, 10), checkpoint(2, 31)
    assert store.add(small)
    assert not store.add(large)
    assert (small.state is not None, large.state) == (True, None)


def test_unreferenced_checkpoints_are_dropped() -> None:
    store = CheckpointStore(30)
    kept, dropped = checkpoint(1, 10), checkpoint(2, 10)
    store.add(kept)
    store.add(dropped)
    store.keep_only([kept])
    assert (store.size_bytes, dropped.state) == (10, None)
    assert dropped.reusable(100, 64) == 0
