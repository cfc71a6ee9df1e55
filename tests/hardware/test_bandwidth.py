"""The memory's bandwidth: measured once, kept for this machine only."""

import json
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.hardware.bandwidth import Measurement, _total_rate, find_bandwidth, measure_bandwidth
from g4run.hardware.machine import Bandwidth, FigureSource
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors

PROCESSORS = Processors(2, None, model="Some Processor")
SMALL = Memory(1 << 30, 100 << 20, None)  # too little is available to measure with
KEPT: dict[str, object] = {"processor": "Some Processor", "memory_bytes": 1 << 30, "threads": 2}
KEPT |= {"measured": {"bytes_per_second": 5e10, "was_busy": False}, "tried_at": 1000.0}
ASSUMED = Bandwidth(20e9, FigureSource.ASSUMED)


def test_what_was_kept_is_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "hardware.json"
    path.write_text(json.dumps(KEPT))
    assert find_bandwidth(path, PROCESSORS, SMALL, measure=False) == Bandwidth(5e10, FigureSource.MEASURED)
    assert find_bandwidth(path, PROCESSORS, SMALL, measure=True) == ASSUMED
    assert json.loads(path.read_text()) == KEPT


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps(KEPT | {"processor": "Another"}),
        json.dumps(KEPT | {"memory_bytes": 2}),
        json.dumps(KEPT | {"threads": 3}),
        json.dumps(KEPT | {"measured": {"bytes_per_second": 0, "was_busy": False}}),
        json.dumps(KEPT | {"measured": {"bytes_per_second": "fast", "was_busy": False}}),
        json.dumps(KEPT | {"measured": {"bytes_per_second": True, "was_busy": False}}),
        json.dumps(KEPT | {"measured": {"bytes_per_second": float("inf"), "was_busy": False}}),
        json.dumps(KEPT | {"measured": {"bytes_per_second": 5e10, "was_busy": 1}}),
        json.dumps(KEPT | {"tried_at": "today"}),
    ],
)
def test_what_is_damaged_or_of_another_machine_does_not_count(content: str, tmp_path: Path) -> None:
    path = tmp_path / "hardware.json"
    path.write_text(content)
    assert find_bandwidth(path, PROCESSORS, SMALL, measure=False) == ASSUMED


def test_a_chip_whose_memory_is_known_is_not_guessed(tmp_path: Path) -> None:
    apple = replace(PROCESSORS, model="Apple M2")
    found = find_bandwidth(tmp_path / "hardware.json", apple, SMALL, measure=False)
    assert found == Bandwidth(100e9, FigureSource.NOMINAL)


def test_a_measured_figure_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "hardware.json"
    memory = Memory(1 << 32, 256 << 20, None)
    found = find_bandwidth(path, PROCESSORS, memory, measure=False, now=lambda: 1000.0)
    assert found.source is FigureSource.MEASURED
    measured = {"bytes_per_second": found.bytes_per_second, "was_busy": found.was_busy}
    assert json.loads(path.read_text()) == KEPT | {"memory_bytes": 1 << 32, "measured": measured}
    assert [file.name for file in path.parent.iterdir()] == ["hardware.json"]
    assert find_bandwidth(path, PROCESSORS, memory, measure=False, now=lambda: 1001.0) == found


IDLE, BUSY = (9e9, False), (8e9, True)


@pytest.mark.parametrize(
    ("before", "seconds", "measure", "new", "expected"),
    [
        (BUSY, 30, False, IDLE, BUSY),  # not yet due
        (BUSY, 61, False, IDLE, IDLE),
        (BUSY, 61, False, (7e9, False), (8e9, False)),  # it reached more, even when busy
        (BUSY, 61, False, (8.5e9, True), BUSY),  # the same answer on every run
        (BUSY, 1, True, (7e9, True), BUSY),
        (BUSY, -5, False, IDLE, IDLE),  # the clock was set back
        (IDLE, 10**6, False, (1e10, False), IDLE),
        (IDLE, 1, True, BUSY, IDLE),
        (IDLE, 1, True, (8e9, False), IDLE),
        (IDLE, 1, True, (1e10, False), (1e10, False)),
    ],
)
def test_the_best_of_an_idle_machine_is_kept(
    before: tuple[float, bool],
    seconds: float,
    measure: bool,
    new: tuple[float, bool],
    expected: tuple[float, bool],
    tmp_path: Path,
) -> None:
    path, times = tmp_path / "hardware.json", iter((1000.0, 1000.0 + seconds, 1000.0 + seconds, 0.0))
    for figures, again in ((before, False), (new, measure)):
        now = Measurement(*figures)
        sample = partial(lambda measured, _threads, _bytes: measured, now)
        found = find_bandwidth(path, PROCESSORS, SMALL, measure=again, measure_now=sample, now=lambda: next(times))
    assert found == Bandwidth(expected[0], FigureSource.MEASURED, expected[1])
    kept = json.loads(path.read_text())["measured"]
    assert (kept["bytes_per_second"], kept["was_busy"]) == expected


def test_interrupted_pieces_do_not_lower_the_rate() -> None:
    whole = [(moment / 10, 5e9) for moment in range(40)]
    halting = [(moment / 10, 5e9 if moment % 4 else 1e8) for moment in range(40)]
    assert _total_rate([whole, whole]) == _total_rate([whole, halting]) == 1e10
    assert _total_rate([[(0.0, 5e9)], [(0.1, 4e9)]]) == 9e9  # never at the same moment


def test_where_nothing_can_be_kept_it_is_measured_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = find_bandwidth(tmp_path / "file" / "x.json", PROCESSORS, Memory(1 << 32, 256 << 20, None), measure=False)
    assert found.source is FigureSource.MEASURED


def test_measuring_gives_what_memory_can_give() -> None:
    rate = measure_bandwidth(2, 256 << 20, seconds=0.02)
    assert rate is not None
    assert 1e8 < rate.bytes_per_second < 1e13
    assert rate.bytes_per_second == float(f"{rate.bytes_per_second:.3g}")
