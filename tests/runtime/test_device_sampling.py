"""A machine's verdict on the device's cut: found once, kept with care, and never tried again after a crash."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from g4run.engine.client import Engine
from g4run.engine.parameters import DeviceSampling, KvType, LoadParameters
from g4run.engine.probe.probe import ProbeFailure
from g4run.engine.protocol import Loaded
from g4run.hardware.machine import Machine
from g4run.models.library import resolve
from g4run.runtime.device_sampling import MOST_VERDICTS, load_measured, with_device_sampling
from g4run.runtime.loader import Loader
from g4run.runtime.loading import LoadOptions, LoadPlan, plan_load
from g4run.settings import Settings
from scripts.shapes.writer import write_shape
from tests.fakes.stores import settings_in
from tests.planner.machines import gpu, machine

OFF, ON, MEASURE = DeviceSampling.OFF, DeviceSampling.ON, DeviceSampling.MEASURE
HERE = machine(64, gpu(24))
ANY = LoadOptions()
OTHER_KV = LoadOptions(kv_type=KvType.Q8_0)


class ScriptedEngine(Engine):
    """An engine that answers its one load as it is told to; `while_loading` is done in the middle of it."""

    def __init__(self, answer: Loaded | BaseException, while_loading: Callable[[], None] = lambda: None) -> None:
        super().__init__(None, Path())
        self._answer = answer
        self.told: LoadParameters | None = None
        self._while_loading = while_loading

    def load(
        self, on_progress: Callable[[float], None] | None = None, parameters: LoadParameters | None = None
    ) -> Loaded:
        self.told = parameters
        self._while_loading()
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def planned_on(where: Machine, settings: Settings, options: LoadOptions = ANY) -> LoadPlan:
    """The demo, which is too small for a GPU, as it would be on one."""
    planned = plan_load(resolve("demo"), where, settings, options)
    gpu_layers = 9 if where.gpus and options.gpu_layers is None else 0
    plan = replace(planned.plan, settings=replace(planned.plan.settings, gpu_layers=gpu_layers))
    parameters = replace(planned.parameters, gpu_layers=gpu_layers)
    return with_device_sampling(replace(planned, plan=plan, parameters=parameters), settings)


def chosen(where: Machine, settings: Settings, options: LoadOptions = ANY) -> DeviceSampling:
    return planned_on(where, settings, options).parameters.device_sampling


def loaded(*, is_used: bool = False, has_measured: bool = True) -> Loaded:
    return Loaded(2048, 0, "", 0.0, device_sampling=is_used, has_measured=has_measured)


def measure(where: Machine, settings: Settings, *, is_used: bool) -> None:
    load_measured(ScriptedEngine(loaded(is_used=is_used)), None, planned_on(where, settings), settings)


def kept(settings: Settings) -> Path:
    return settings.data_directory / "device-sampling.json"


def mark_of(settings: Settings) -> Path:
    named = planned_on(HERE, settings).parameters.measuring_mark
    assert named is not None
    return Path(os.fsdecode(named))


def test_without_a_gpu_there_is_nothing_to_decide(settings: Settings) -> None:
    assert chosen(machine(64), settings) is OFF
    assert chosen(HERE, settings, LoadOptions(gpu_layers=0)) is OFF


@pytest.mark.parametrize(("is_used", "then"), [(True, ON), (False, OFF)])
def test_what_was_measured_is_taken_from_then_on(settings: Settings, is_used: bool, then: DeviceSampling) -> None:
    assert chosen(HERE, settings) is MEASURE
    measure(HERE, settings, is_used=is_used)
    assert chosen(HERE, settings) is then
    measure(HERE, settings, is_used=not is_used)
    assert chosen(HERE, settings) is (OFF if is_used else ON)
    assert len(json.loads(kept(settings).read_bytes())["verdicts"]) == 1


def test_a_verdict_holds_for_its_machine_and_its_settings(settings: Settings) -> None:
    measure(HERE, settings, is_used=True)
    assert chosen(machine(64, gpu(24, "Vulkan")), settings) is MEASURE
    assert chosen(machine(32, gpu(24)), settings) is MEASURE
    assert chosen(HERE, settings, OTHER_KV) is MEASURE
    assert chosen(HERE, settings, LoadOptions(context_length=512)) is ON


def test_a_verdict_holds_for_its_model_and_its_llama_cpp(settings: Settings) -> None:
    measure(HERE, settings, is_used=True)
    document = json.loads(kept(settings).read_bytes())
    for key in ("machine_id", "library", "model_digest", "settings_key"):
        entry = {**document["verdicts"][0], key: "another"}
        kept(settings).write_text(json.dumps({**document, "verdicts": [entry]}))
        assert chosen(HERE, settings) is MEASURE


def test_what_was_not_measured_is_not_kept(settings: Settings) -> None:
    load_measured(ScriptedEngine(loaded(has_measured=False)), None, planned_on(HERE, settings), settings)
    assert not kept(settings).exists()


def test_a_mark_that_was_left_forbids_it_for_every_model_of_the_machine(settings: Settings) -> None:
    measure(HERE, settings, is_used=True)
    mark_of(settings).touch()
    assert [chosen(HERE, settings), chosen(HERE, settings, OTHER_KV)] == [OFF, OFF]
    assert chosen(machine(64, gpu(24, "Vulkan")), settings) is MEASURE
    mark_of(settings).unlink()
    assert chosen(HERE, settings) is ON


@pytest.mark.parametrize(("age_seconds", "stays"), [(1, False), (3600, True)])
def test_ctrl_c_takes_the_mark_away_unless_the_engine_hung(settings: Settings, age_seconds: int, stays: bool) -> None:
    mark = mark_of(settings)

    def leave_mark() -> None:
        mark.touch()
        then = mark.stat().st_mtime - age_seconds
        os.utime(mark, (then, then))

    with pytest.raises(KeyboardInterrupt):
        load_measured(ScriptedEngine(KeyboardInterrupt(), leave_mark), None, planned_on(HERE, settings), settings)
    assert mark.exists() == stays


def test_ctrl_c_while_nothing_is_measured_is_as_ever(settings: Settings) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_measured(ScriptedEngine(KeyboardInterrupt()), None, planned_on(HERE, settings), settings)


ENTRY = '{"machine_id": "a", "library": "b", "model_digest": "c", "settings_key": "d", "is_faster": true}'
DAMAGED = [
    b"",
    b"[]",
    b"{",
    b"\xff" * 100,
    b"[" * 100_000,
    b'{"version": 1}',
    b'{"version": 0, "verdicts": []}',
    b'{"version": 1, "verdicts": [1, {}, {"machine_id": 1}]}',
    f'{{"version": 1, "verdicts": [{ENTRY.replace("true", "1")}]}}'.encode(),
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_file_that_makes_no_sense_is_not_there(content: bytes, settings: Settings) -> None:
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    kept(settings).write_bytes(content)
    assert chosen(HERE, settings) is MEASURE
    measure(HERE, settings, is_used=True)
    assert len(json.loads(kept(settings).read_bytes())["verdicts"]) == 1
    assert chosen(HERE, settings) is ON


def test_a_file_of_a_newer_program_is_left_alone(settings: Settings) -> None:
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    kept(settings).write_bytes(content := b'{"version": 2, "verdicts": "of another kind"}')
    measure(HERE, settings, is_used=True)
    assert kept(settings).read_bytes() == content
    assert chosen(HERE, settings) is MEASURE


def test_only_the_latest_are_kept(settings: Settings) -> None:
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    entries = [ENTRY.replace('"c"', f'"{number}"') for number in range(MOST_VERDICTS)]
    kept(settings).write_text(f'{{"version": 1, "verdicts": [{",".join(entries)}]}}')
    measure(HERE, settings, is_used=True)
    digests = [entry["model_digest"] for entry in json.loads(kept(settings).read_bytes())["verdicts"]]
    assert digests[:-1] == [str(number) for number in range(1, MOST_VERDICTS)]
    assert chosen(HERE, settings) is ON


def test_a_directory_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = replace(settings_in(tmp_path), data_directory=tmp_path / "file" / "data")
    assert chosen(HERE, blocked) is MEASURE
    measure(HERE, blocked, is_used=True)
    assert chosen(HERE, blocked) is MEASURE


def test_an_engine_measures_once(settings: Settings) -> None:
    """llama.cpp, which has no GPU here, carries out on the CPU what was planned for one."""
    verdicts = [load_really(settings) for _ in range(2)]
    assert [has_measured for _, has_measured in verdicts] == [True, False]
    assert verdicts[0][0] == verdicts[1][0] == (chosen(HERE, settings) is ON)
    assert not mark_of(settings).exists()


def load_really(settings: Settings) -> tuple[bool, bool]:
    engine, planned = Engine(None, settings.log_directory), planned_on(HERE, settings)
    load_measured(engine, None, planned, settings)
    result = engine.load()
    engine.close()
    return result.device_sampling, result.has_measured


def test_the_loader_asks_and_remembers(settings: Settings, tmp_path: Path) -> None:
    write_shape("26b", "Q4_0", tmp_path / "26b.gguf")
    model, told = resolve(str(tmp_path / "26b.gguf")), []
    for _ in range(2):
        engine = ScriptedEngine(loaded(is_used=True))
        Loader(model, settings, ANY, lambda _step: None, inspect=lambda _m, _s: HERE, confirm=not_asked).load(engine)
        told.append(engine.told)
    assert [each and each.device_sampling for each in told] == [MEASURE, ON]


def not_asked(*_: object) -> ProbeFailure:
    return ProbeFailure("not asked")
