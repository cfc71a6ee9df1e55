from hypothesis import given, settings
from hypothesis import strategies as st

from g4run.errors import DiskFull, NetworkError
from g4run.models.download.segments import Schedule, Segment

MIB = 2**20


def taken(schedule: Schedule) -> Segment:
    segment = schedule.take()
    assert segment is not None
    return segment


def finish(schedule: Schedule, segment: Segment) -> None:
    schedule.record(segment.position, segment.end)
    schedule.give_back(segment)


def test_segments_come_in_file_order_and_around_what_is_there() -> None:
    schedule = Schedule(100 * MIB, [(10 * MIB, 20 * MIB)], connections=2, segment_bytes=16 * MIB)
    segments = [taken(schedule) for _ in range(3)]
    assert [(segment.position // MIB, segment.end // MIB) for segment in segments] == [(0, 10), (20, 36), (36, 52)]


def test_what_is_given_back_is_next() -> None:
    schedule = Schedule(100 * MIB, (), connections=2, segment_bytes=16 * MIB)
    first, second = taken(schedule), taken(schedule)
    schedule.record(0, 5 * MIB)
    first.position = 5 * MIB
    schedule.give_back(first)
    again = taken(schedule)
    assert (again.position, again.end) == (5 * MIB, second.position)


def test_segments_grow_smaller_towards_the_end() -> None:
    schedule = Schedule(64 * MIB, (), connections=4, segment_bytes=64 * MIB)
    lengths = []
    while not schedule.is_complete:
        segment = taken(schedule)
        lengths.append(segment.end - segment.position)
        finish(schedule, segment)
    assert lengths[0] == 8 * MIB
    assert lengths == sorted(lengths, reverse=True)


def test_a_connection_without_work_takes_half_of_what_a_slow_one_has_left() -> None:
    schedule = Schedule(8 * MIB, (), connections=1, segment_bytes=64 * MIB)
    slow = taken(schedule)
    assert (slow.position, slow.end) == (0, 4 * MIB)
    while (segment := taken(schedule)).position >= 4 * MIB:
        finish(schedule, segment)
    assert (slow.end, segment.position, segment.end) == (2 * MIB, 2 * MIB, 4 * MIB)
    assert schedule.wanted(slow, MIB, 4 * MIB) == ((MIB, 2 * MIB),)


def test_a_stream_of_the_whole_file_sends_the_others_home() -> None:
    schedule = Schedule(8 * MIB, [(2 * MIB, 3 * MIB)], connections=2, segment_bytes=MIB)
    first, second = taken(schedule), taken(schedule)
    assert schedule.stream_whole(first)
    assert not schedule.stream_whole(second)
    schedule.give_back(second)
    assert schedule.take() is None
    assert schedule.wanted(first, 0, 8 * MIB) == ((0, 2 * MIB), (3 * MIB, 8 * MIB))


def test_a_full_disk_is_told_rather_than_the_broken_connections_after_it() -> None:
    schedule = Schedule(MIB, (), connections=2, segment_bytes=MIB)
    full = DiskFull("full")
    for error in (NetworkError("first"), NetworkError("second"), full, NetworkError("last")):
        schedule.fail(error)
    assert schedule.take() is None
    try:
        schedule.raise_failure()
    except DiskFull as raised:
        assert raised is full


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40 * MIB), st.integers(1, 5), st.data())
def test_every_byte_is_fetched_once_whoever_is_quick_or_slow(size: int, connections: int, data: st.DataObject) -> None:
    schedule = Schedule(size, (), connections, 4 * MIB)
    active: list[Segment] = []
    fetched = 0
    while not schedule.is_complete:
        if not active or (len(active) < connections and schedule.present_bytes + sum_left(active) < size):
            active.append(taken(schedule))
        segment = data.draw(st.sampled_from(active))
        step = data.draw(st.sampled_from([MIB // 3, 2 * MIB, 40 * MIB]))
        for start, end in schedule.wanted(segment, segment.position, segment.position + step):
            schedule.record(start, end)
            fetched += end - start
        segment.position = min(segment.position + step, segment.end)
        if segment.position == segment.end or data.draw(st.booleans()):
            active.remove(segment)
            schedule.give_back(segment)
    assert fetched == size


def sum_left(active: list[Segment]) -> int:
    return sum(segment.end - segment.position for segment in active)
