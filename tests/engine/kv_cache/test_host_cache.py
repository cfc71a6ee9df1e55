import pytest

from g4run.engine.kv_cache.host_cache import HostCache, StoredSequence, common_prefix


def stored(tokens: list[int], size: int = 10) -> StoredSequence:
    return StoredSequence(tokens, len(tokens), 0, memoryview(bytes(size)))


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 600])
def test_a_common_prefix_ends_at_the_first_difference(length: int) -> None:
    tokens = list(range(700))
    assert common_prefix(tokens, [*tokens[:length], -1, *tokens[length + 1 :]]) == length
    assert common_prefix(tokens, tokens[:length]) == length


def test_the_least_recently_used_is_dropped_first() -> None:
    cache = HostCache(25)
    first, second, third = stored([1]), stored([2]), stored([3])
    for each in (first, second, third):
        cache.add(each)
    assert list(cache) == [second, third]
    cache.take(second)
    assert list(cache) == [third]


def test_a_longer_sequence_replaces_its_prefixes() -> None:
    cache = HostCache(100)
    cache.add(stored([1, 2]))
    cache.add(stored([1, 3]))
    longer = stored([1, 2, 3])
    cache.add(longer)
    assert [each.tokens for each in cache] == [[1, 3], [1, 2, 3]]
    assert (cache.covers([1, 2]), cache.covers([2])) == (True, False)


def test_a_restored_sequence_is_kept_regardless_of_the_budget() -> None:
    cache = HostCache(5)
    restored = stored([1], 10)
    cache.put(restored)
    assert list(cache) == [restored]
