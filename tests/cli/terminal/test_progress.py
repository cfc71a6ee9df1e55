import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from g4run.cli.terminal.progress import JsonProgress, Phase, PlainProgress
from g4run.cli.views.pull import plan_value, render_plan
from tests.cli.pulls import BEGUN, DIGEST, MODEL, PLAN, PROJECTOR
from tests.fakes.streams import RecordedOutput

STEP = 10_000_000


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def fetch(progressed: Callable[[int], None], clock: Clock, *, start: int, seconds_a_step: float) -> None:
    """Report the rest of a file of 1 GB in steps of 1 %."""
    for done_bytes in range(start + STEP, MODEL.size_bytes + 1, STEP):
        clock.now += seconds_a_step
        progressed(done_bytes)


def events(output: RecordedOutput) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.stdout.splitlines()]


def test_a_log_gets_a_line_for_each_tenth() -> None:
    output, clock = RecordedOutput(), Clock()
    progress = PlainProgress(output.notes, clock)
    progress.planned(PLAN)
    progress.started(BEGUN)
    fetch(lambda done: progress.progressed(BEGUN, done), clock, start=BEGUN.present_bytes, seconds_a_step=0.125)
    progress.finished(BEGUN, Path("/cache/x"))
    assert (output.stdout, output.stderr) == (
        "",
        f"{render_plan(PLAN, None)}"
        "downloading gemma-4-26B_q4_0-it.gguf: 1.0 GB, 250.0 MB already downloaded\n"
        "gemma-4-26B_q4_0-it.gguf: 30 %, 300.0 MB of 1.0 GB, 80.0 MB/s, 8.75s left\n"
        "gemma-4-26B_q4_0-it.gguf: 40 %, 400.0 MB of 1.0 GB, 80.0 MB/s, 7.50s left\n"
        "gemma-4-26B_q4_0-it.gguf: 50 %, 500.0 MB of 1.0 GB, 80.0 MB/s, 6.25s left\n"
        "gemma-4-26B_q4_0-it.gguf: 60 %, 600.0 MB of 1.0 GB, 80.0 MB/s, 5.00s left\n"
        "gemma-4-26B_q4_0-it.gguf: 70 %, 700.0 MB of 1.0 GB, 80.0 MB/s, 3.75s left\n"
        "gemma-4-26B_q4_0-it.gguf: 80 %, 800.0 MB of 1.0 GB, 80.0 MB/s, 2.50s left\n"
        "gemma-4-26B_q4_0-it.gguf: 90 %, 900.0 MB of 1.0 GB, 80.0 MB/s, 1.25s left\n"
        "gemma-4-26B_q4_0-it.gguf: done, sha256 verified\n",
    )


def test_a_log_of_a_slow_pull_gets_a_line_each_half_minute() -> None:
    output, clock = RecordedOutput(), Clock()
    progress = PlainProgress(output.notes, clock)
    progress.started(MODEL)
    for seconds in range(1, 62):
        clock.now = seconds
        progress.progressed(MODEL, seconds * 1_000_000)
    assert output.stderr == (
        "downloading gemma-4-26B_q4_0-it.gguf: 1.0 GB\n"
        "gemma-4-26B_q4_0-it.gguf: 3 %, 30.0 MB of 1.0 GB, 1.0 MB/s, 16m10s left\n"
        "gemma-4-26B_q4_0-it.gguf: 6 %, 60.0 MB of 1.0 GB, 1.0 MB/s, 15m40s left\n"
    )


def test_a_log_shows_waiting_and_verifying() -> None:
    output, clock = RecordedOutput(), Clock()
    progress = PlainProgress(output.notes, clock)
    progress.started(MODEL)
    progress.waiting(MODEL)
    progress.verifying(MODEL)
    clock.now = 1
    progress.progressed(MODEL, 500_000_000)
    progress.finished(MODEL, Path("/cache/x"))
    assert output.stderr == (
        "downloading gemma-4-26B_q4_0-it.gguf: 1.0 GB\n"
        "waiting: another process is downloading gemma-4-26B_q4_0-it.gguf\n"
        "verifying gemma-4-26B_q4_0-it.gguf: 1.0 GB\n"
        "verifying gemma-4-26B_q4_0-it.gguf: 50 %, 500.0 MB of 1.0 GB, 500.0 MB/s, 1.00s left\n"
        "gemma-4-26B_q4_0-it.gguf: done, sha256 verified\n"
    )


def test_a_local_file_is_only_reported_as_done() -> None:
    output = RecordedOutput()
    progress = PlainProgress(output.notes, Clock())
    progress.started(PROJECTOR)
    progress.finished(replace(PROJECTOR, sha256=None), Path("/cache/x"))
    assert output.stderr == "gemma-4-26B-it-mmproj.gguf: done\n"


def test_json_has_at_most_two_lines_of_progress_a_second() -> None:
    output, clock = RecordedOutput(), Clock()
    progress = JsonProgress(output, clock)
    progress.planned(PLAN)
    progress.started(BEGUN)
    fetch(lambda done: progress.progressed(BEGUN, done), clock, start=BEGUN.present_bytes, seconds_a_step=0.125)
    progress.finished(BEGUN, Path("x"))
    assert output.stderr == ""
    plan, *steps, finished = events(output)
    assert plan == {"event": "plan", **plan_value(PLAN)}
    assert [(step["event"], step["completed_bytes"]) for step in steps] == [
        ("progress", completed) for completed in range(250_000_000, 1_000_000_000, 40_000_000)
    ]
    assert steps[0] == {
        "event": "progress",
        "file": "gemma-4-26B_q4_0-it.gguf",
        "completed_bytes": 250_000_000,
        "total_bytes": 1_000_000_000,
        "bytes_per_second": 0,
    }
    assert steps[-1]["bytes_per_second"] == 80_000_000
    assert finished == {"event": "finished", "file": MODEL.path, "path": "x", "sha256": DIGEST}


def test_json_has_events_for_waiting_and_verifying() -> None:
    output, clock = RecordedOutput(terminal=True), Clock()
    progress = JsonProgress(output, clock)
    progress.started(PROJECTOR)
    progress.waiting(PROJECTOR)
    progress.verifying(PROJECTOR)
    clock.now = 1
    progress.progressed(PROJECTOR, 250_000_000)
    counted = {"file": PROJECTOR.path, "total_bytes": 500_000_000}
    assert events(output) == [
        {"event": "waiting", "file": PROJECTOR.path},
        {"event": "verifying", **counted, "completed_bytes": 0, "bytes_per_second": 0},
        {"event": "verifying", **counted, "completed_bytes": 250_000_000, "bytes_per_second": 250_000_000},
    ]


def test_a_count_never_decreases_and_stops_at_the_size() -> None:
    phase = Phase(MODEL, 500, Clock(), is_hashing=False)
    counts = []
    for done_bytes in (700, 600, 800, MODEL.size_bytes + 1):
        phase.advance(done_bytes)
        counts.append(phase.done_bytes)
    assert counts == [700, 700, 800, MODEL.size_bytes]


def test_a_file_with_a_wrong_hash_is_counted_from_zero() -> None:
    output, clock = RecordedOutput(), Clock()
    progress = JsonProgress(output, clock)
    progress.started(PROJECTOR)
    progress.verifying(PROJECTOR)
    clock.now = 1
    progress.progressed(PROJECTOR, 500_000_000)
    clock.now = 2
    progress.progressed(PROJECTOR, 1_000_000)
    clock.now = 3
    progress.progressed(PROJECTOR, 2_000_000)
    assert [(event["event"], event["completed_bytes"]) for event in events(output)] == [
        ("verifying", 0),
        ("verifying", 500_000_000),
        ("progress", 1_000_000),
        ("progress", 2_000_000),
    ]


def test_the_speed_covers_the_last_seconds() -> None:
    clock = Clock()
    phase = Phase(MODEL, 0, clock, is_hashing=False)
    assert (phase.bytes_per_second, phase.seconds_left) == (0, None)
    for seconds in range(1, 11):
        clock.now = seconds
        phase.advance(seconds * 100_000_000 if seconds <= 5 else 500_000_000 + (seconds - 5) * 10_000_000)
    assert phase.bytes_per_second == 10_000_000
    assert phase.seconds_left == 45
