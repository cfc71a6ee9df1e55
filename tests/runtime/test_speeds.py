import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from g4run.planner.speed.measured import MeasuredSpeed, machine_id_of, settings_key_of
from g4run.planner.speed.speed import estimate_speed
from g4run.planner.values import Plan, SpeedSource
from g4run.runtime.answers.answer import Timings, Usage
from g4run.runtime.speeds import MAX_SPEEDS, measured_speeds, record_run
from g4run.settings import Settings
from tests.fakes.stores import settings_in
from tests.planner.speed.speed_machines import make_gpu, make_machine, make_plan
from tests.planner.speed.speed_rows import model_shape

MACHINE = make_machine(make_gpu())
PLAN = make_plan(replace(model_shape("26B", 4.5), digest="d" * 64), gpu_layers=31)
WRITER = """
import sys
from pathlib import Path
from msgspec.structs import replace
from tests.runtime.test_speeds import MACHINE, PLAN, run_of
from tests.fakes.stores import settings_in
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    plan = replace(PLAN, shape=replace(PLAN.shape, digest=f"{sys.argv[2]}-{number}"))
    run_of(settings_in(Path(sys.argv[1])), plan=plan)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def run_of(
    settings: Settings,
    generation: float = 100.0,
    prompt: float = 1000.0,
    *,
    completion_tokens: int = 200,
    prompt_tokens: int = 300,
    cached_tokens: int = 0,
    now: float = 1.0,
    plan: Plan = PLAN,
) -> None:
    usage = Usage(prompt_tokens, completion_tokens, cached_tokens)
    timings = Timings(prompt_tokens_per_second=prompt, generation_tokens_per_second=generation)
    record_run(settings, MACHINE, plan, usage, timings, now)


def speed_of(generation: float, prompt: float, now: float = 1.0, position: int = 400) -> MeasuredSpeed:
    key = settings_key_of(PLAN.settings)
    return MeasuredSpeed(machine_id_of(MACHINE), "d" * 64, key, generation, prompt, now, position)


def test_nothing_is_recorded_at_first(settings: Settings) -> None:
    assert measured_speeds(settings, MACHINE) == ()


def test_a_run_is_recorded(settings: Settings) -> None:
    run_of(settings)
    assert measured_speeds(settings, MACHINE) == (speed_of(100.0, 1000.0),)


def test_a_faster_run_counts_more_than_a_slower_one(settings: Settings) -> None:
    run_of(settings, 100.0, 1000.0)
    run_of(settings, 200.0, 2000.0, now=2.0, prompt_tokens=400)
    assert measured_speeds(settings, MACHINE) == (speed_of(170.0, 1700.0, 2.0, 470),)
    run_of(settings, 120.0, 700.0, now=3.0)
    assert measured_speeds(settings, MACHINE) == (speed_of(160.0, 1500.0, 3.0, 456),)


def test_short_runs_are_not_recorded(settings: Settings) -> None:
    run_of(settings, completion_tokens=15, prompt_tokens=127)
    assert measured_speeds(settings, MACHINE) == ()
    assert not (settings.data_directory / "speeds.json").exists()


def test_prompt_and_generation_are_recorded_separately(settings: Settings) -> None:
    run_of(settings, completion_tokens=15)
    assert measured_speeds(settings, MACHINE) == (speed_of(0.0, 1000.0, position=0),)
    run_of(settings, 100.0, 5.0, prompt_tokens=20, now=2.0)
    assert measured_speeds(settings, MACHINE) == (speed_of(100.0, 1000.0, 2.0, 120),)
    run_of(settings, 7.0, 2000.0, completion_tokens=1, now=3.0)
    assert measured_speeds(settings, MACHINE) == (speed_of(100.0, 1700.0, 3.0, 120),)


def test_a_mostly_cached_prompt_is_not_timed(settings: Settings) -> None:
    run_of(settings, prompt_tokens=300, cached_tokens=173)
    assert measured_speeds(settings, MACHINE) == (speed_of(100.0, 0.0, position=400),)
    run_of(settings, prompt_tokens=2000, cached_tokens=1000, now=2.0)
    assert measured_speeds(settings, MACHINE)[0].prompt_tokens_per_second == 0
    run_of(settings, prompt_tokens=300, cached_tokens=149, now=3.0)
    assert measured_speeds(settings, MACHINE)[0].prompt_tokens_per_second == 1000


def test_settings_models_and_machines_are_separate(settings: Settings) -> None:
    run_of(settings)
    run_of(settings, plan=replace(PLAN, settings=replace(PLAN.settings, cpu_expert_layers=8)), now=2.0)
    run_of(settings, plan=replace(PLAN, shape=replace(PLAN.shape, digest="e" * 64)), now=3.0)
    run_of(settings, 200.0, plan=replace(PLAN, settings=replace(PLAN.settings, context=4096)), now=4.0)
    speeds = [speed.generation_tokens_per_second for speed in measured_speeds(settings, MACHINE)]
    assert speeds == [100.0, 100.0, 170.0]
    assert measured_speeds(settings, make_machine(make_gpu(gibibytes=12))) == ()


def test_a_machine_stays_the_same_when_memory_is_used(settings: Settings) -> None:
    run_of(settings)
    busy = replace(
        MACHINE,
        memory=replace(MACHINE.memory, available_bytes=1),
        gpus=(replace(make_gpu(), free_bytes=1),),
    )
    assert measured_speeds(settings, busy) == (speed_of(100.0, 1000.0),)


def test_a_measured_speed_replaces_the_estimate(settings: Settings) -> None:
    run_of(settings, 100.0, 1000.0)
    speed = estimate_speed(PLAN, MACHINE, position=400, measured=measured_speeds(settings, MACHINE))
    assert speed.source is SpeedSource.MEASURED
    found = speed.generation, speed.prompt
    assert [figure for speed in found for figure in (speed.low, speed.expected, speed.high)] == pytest.approx(
        [90, 100, 110, 900, 1000, 1100]
    )
    far = estimate_speed(PLAN, MACHINE, position=100_000, measured=measured_speeds(settings, MACHINE))
    assert 50 < far.generation.expected < 75


def test_a_prompt_that_was_not_measured_stays_estimated(settings: Settings) -> None:
    run_of(settings, prompt_tokens=20)
    measured = measured_speeds(settings, MACHINE)
    assert estimate_speed(PLAN, MACHINE, measured=measured).prompt == estimate_speed(PLAN, MACHINE).prompt


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"version": 1}',
        b'{"version": 1, "speeds": {}}',
        b'{"version": 0, "speeds": []}',
        b"[" * 100_000,
        b" " * (2 << 20),
    ],
)
def test_a_damaged_file_is_replaced(settings: Settings, content: bytes) -> None:
    path = settings.data_directory / "speeds.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    assert measured_speeds(settings, MACHINE) == ()
    run_of(settings)
    assert measured_speeds(settings, MACHINE) == (speed_of(100.0, 1000.0),)


@pytest.mark.parametrize("number", ["fast", None, True, -1, float("nan"), float("inf"), 10**400])
def test_an_invalid_entry_is_ignored(settings: Settings, number: object) -> None:
    run_of(settings)
    path = settings.data_directory / "speeds.json"
    document = json.loads(path.read_bytes())
    document["speeds"].append({**document["speeds"][0], "generation_tokens_per_second": number})
    document["speeds"].append({"machine_id": 3})
    document["speeds"].append("text")
    path.write_text(json.dumps(document), encoding="ascii")
    assert measured_speeds(settings, MACHINE) == (speed_of(100.0, 1000.0),)


def test_a_file_of_a_newer_version_is_left_alone(settings: Settings) -> None:
    path = settings.data_directory / "speeds.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'{"version": 2}')
    run_of(settings)
    assert path.read_bytes() == b'{"version": 2}'
    assert measured_speeds(settings, MACHINE) == ()


def test_the_file_stays_small(settings: Settings) -> None:
    run_of(settings)
    path = settings.data_directory / "speeds.json"
    entry = json.loads(path.read_bytes())["speeds"][0]
    entries = [{**entry, "model_digest": str(number), "measured_at": number} for number in range(MAX_SPEEDS)]
    path.write_text(json.dumps({"version": 1, "speeds": entries}), encoding="ascii")
    run_of(settings, now=10_000.0)
    found = measured_speeds(settings, MACHINE)
    assert len(found) == MAX_SPEEDS
    assert (found[0].model_digest, found[-1]) == ("1", speed_of(100.0, 1000.0, 10_000.0))


def test_a_write_error_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    run_of(replace(settings_in(tmp_path), data_directory=tmp_path / "data"))


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    programs = [_writer(tmp_path, name) for name in ("a", "b")]
    for program in programs:
        assert program.stdout and program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin
        program.stdin.write("go\n")
        program.stdin.flush()
    for program in programs:
        program.communicate(timeout=60)
    assert [program.returncode for program in programs] == [0, 0]
    found = {speed.model_digest for speed in measured_speeds(settings_in(tmp_path), MACHINE)}
    assert found == {f"{name}-{number}" for name in ("a", "b") for number in range(60)}


def _writer(directory: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, directory, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
