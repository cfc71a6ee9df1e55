"""The memory's bandwidth: measured once, kept for this machine only."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.hardware.bandwidth import find_bandwidth, measure_bandwidth
from g4run.hardware.machine import Bandwidth, FigureSource
from g4run.hardware.memory import Memory
from g4run.hardware.processors import Processors

PROCESSORS = Processors(2, None, model="Some Processor")
SMALL = Memory(1 << 30, 100 << 20, None)  # too little is available to measure with
KEPT = {"processor": "Some Processor", "memory_bytes": 1 << 30, "threads": 2, "bytes_per_second": 5e10}
KEPT |= {"measurements": 1, "was_busy": False}
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
        json.dumps(KEPT | {"bytes_per_second": 0}),
        json.dumps(KEPT | {"bytes_per_second": "fast"}),
        json.dumps(KEPT | {"bytes_per_second": True}),
        json.dumps(KEPT | {"bytes_per_second": float("inf")}),
        json.dumps(KEPT | {"measurements": "two"}),
        json.dumps(KEPT | {"was_busy": 1}),
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
    found = find_bandwidth(path, PROCESSORS, memory, measure=False)
    assert found.source is FigureSource.MEASURED
    kept = json.loads(path.read_text())
    assert kept == KEPT | {
        "memory_bytes": 1 << 32,
        "bytes_per_second": found.bytes_per_second,
        "was_busy": kept["was_busy"],
    }
    assert [file.name for file in path.parent.iterdir()] == ["hardware.json"]
    path.write_text(json.dumps(kept | {"was_busy": False}))
    assert find_bandwidth(path, PROCESSORS, memory, measure=False) == found


def test_what_was_measured_on_a_busy_machine_is_measured_again_and_the_best_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "hardware.json"
    memory = Memory(1 << 32, 256 << 20, None)
    slow = KEPT | {"memory_bytes": 1 << 32, "bytes_per_second": 1e6, "was_busy": True}
    path.write_text(json.dumps(slow))
    found = find_bandwidth(path, PROCESSORS, memory, measure=False)
    assert found.bytes_per_second > 1e6
    assert json.loads(path.read_text())["measurements"] == 2
    path.write_text(json.dumps(slow | {"bytes_per_second": 1e15}))
    assert find_bandwidth(path, PROCESSORS, memory, measure=False) == Bandwidth(1e15, FigureSource.MEASURED)
    path.write_text(json.dumps(slow | {"measurements": 5}))
    assert find_bandwidth(path, PROCESSORS, memory, measure=False) == Bandwidth(1e6, FigureSource.MEASURED)


def test_where_nothing_can_be_kept_it_is_measured_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = find_bandwidth(tmp_path / "file" / "x.json", PROCESSORS, Memory(1 << 32, 256 << 20, None), measure=False)
    assert found.source is FigureSource.MEASURED


def test_measuring_gives_what_memory_can_give() -> None:
    rate = measure_bandwidth(2, 256 << 20, seconds=0.02)
    assert rate is not None
    assert 1e8 < rate < 1e13
    assert rate == float(f"{rate:.3g}")
