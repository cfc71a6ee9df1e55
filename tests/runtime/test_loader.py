"""Loading by a plan, and fallbacks if less memory is available than expected."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from g4run.engine.client import Engine
from g4run.engine.parameters import LoadParameters
from g4run.engine.probe.probe import DeviceMemory, Probed, ProbedMemory, ProbeFailure
from g4run.engine.protocol import Loaded
from g4run.errors import DoesNotFit, LoadFailed, NetworkError
from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.models.library import ModelFile
from g4run.planner.values import Placement
from g4run.runtime.loader import Loader, LoadStep
from g4run.runtime.loading import LoadOptions
from g4run.settings import read_settings
from scripts.shapes.writer import write_shape
from tests.fakes.library import resolve
from tests.planner.machines import GB, gpu, machine

ANY = LoadOptions()
NO_FIGURES = ProbeFailure("not asked")
NO_MEMORY = DoesNotFit("there is not enough memory for the model: unable to allocate CUDA0 buffer")


class ScriptedEngine(Engine):
    """An engine whose first loads fail as scripted."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__(None, Path())
        self._failures = list(failures)
        self.loads: list[LoadParameters] = []

    def load(
        self, on_progress: Callable[[float], None] | None = None, parameters: LoadParameters | None = None
    ) -> Loaded:
        assert parameters is not None
        self.loads.append(parameters)
        if self._failures:
            raise self._failures.pop(0)
        return Loaded(parameters.context_length, 0)


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    path = tmp_path_factory.mktemp("shapes") / "26b.gguf"
    write_shape("26b", "Q4_0", path)
    return resolve(str(path))


class Case:
    """A loader on a machine, with its recorded steps."""

    def __init__(self, model: ModelFile, on: Machine, options: LoadOptions = ANY, *answers: Probed) -> None:
        self.steps: list[LoadStep] = []
        self.probed: list[LoadParameters] = []
        self._answers = list(answers)
        self.loader = Loader(
            model, read_settings(), options, self.steps.append, inspect=lambda *_: on, confirm=self._confirm
        )

    def _confirm(self, parameters: LoadParameters, *_: object) -> Probed:
        self.probed.append(parameters)
        return self._answers.pop(0) if self._answers else NO_FIGURES


def figures(gpu_gb: float, cpu_gb: float = 1.0) -> ProbedMemory:
    devices = (
        DeviceMemory("CUDA0", int(gpu_gb * GB), 0, 0, 0),
        DeviceMemory("CPU", int(cpu_gb * GB), 0, 0, 0),
    )
    return ProbedMemory(devices, 0, is_exact=True)


def test_the_first_plan_that_works_is_used(experts: ModelFile) -> None:
    case, engine = Case(experts, machine(64, gpu(24))), ScriptedEngine()
    loaded = case.loader.load(engine)
    assert loaded.plan.placement is Placement.GPU
    assert engine.loads == case.probed == [loaded.parameters]
    assert case.steps == [LoadStep(loaded.plan)]


def test_an_out_of_memory_load_falls_back_to_the_next_plan(experts: ModelFile) -> None:
    case, engine = Case(experts, machine(64, gpu(24))), ScriptedEngine(NO_MEMORY, NO_MEMORY)
    loaded = case.loader.load(engine)
    assert [step.plan.placement for step in case.steps] == [Placement.GPU, *[Placement.EXPERTS_ON_CPU] * 2]
    assert [step.failure for step in case.steps] == [None, NO_MEMORY, NO_MEMORY]
    moved = [parameters.cpu_expert_layers for parameters in engine.loads]
    assert moved == sorted(set(moved)) and moved[0] == 0  # each leaves the GPU more than the one before
    assert loaded.parameters == engine.loads[-1]


def test_a_failed_load_with_repacking_is_retried_without(experts: ModelFile) -> None:
    """With nothing else given up; if that fails too, only a smaller plan would do, and there is none."""
    case, engine = Case(experts, machine(64)), ScriptedEngine(NO_MEMORY)
    loaded = case.loader.load(engine)
    first, second = engine.loads
    assert first.repack and second == loaded.parameters == replace(first, repack=False)
    assert [step.plan.ledger for step in case.steps] == [loaded.plan.ledger] * 2
    failing = ScriptedEngine(NO_MEMORY, NO_MEMORY)
    with pytest.raises(DoesNotFit):
        Case(experts, machine(64)).loader.load(failing)
    assert failing.loads == engine.loads


def test_a_plan_too_large_by_llama_cpps_figures_is_not_tried(experts: ModelFile) -> None:
    case, engine = Case(experts, machine(64, gpu(24)), LoadOptions(), figures(23.9), figures(10.0)), ScriptedEngine()
    loaded = case.loader.load(engine)
    assert len(case.probed) == 2 and engine.loads == case.probed[1:]
    assert loaded.plan.placement is Placement.EXPERTS_ON_CPU
    assert [device.weights_bytes for device in loaded.plan.ledger.devices] == [10 * GB, GB]
    assert [step.failure for step in case.steps] == [None]


def test_a_model_that_does_not_fit_is_refused_before_loading(experts: ModelFile) -> None:
    case, engine = Case(experts, machine(8)), ScriptedEngine()
    with pytest.raises(DoesNotFit) as caught:
        case.loader.load(engine)
    assert not engine.loads and not case.steps
    assert "it needs" in caught.value.message and "(8.0 GB free)" in caught.value.message
    assert "--force" in caught.value.hint


def test_a_shorter_context_that_fits_is_named(experts: ModelFile) -> None:
    case = Case(experts, machine(17), LoadOptions(262_144, KvType.F16))
    with pytest.raises(DoesNotFit) as caught:
        case.loader.load(ScriptedEngine())
    assert caught.value.hint.startswith("--ctx ")
    fitting = int(caught.value.hint.split()[1].rstrip(","))
    again = Case(experts, machine(17), LoadOptions(fitting, KvType.F16))
    assert again.loader.load(ScriptedEngine()).parameters.context_length == fitting


def test_force_loads_a_model_that_does_not_fit(experts: ModelFile) -> None:
    case, engine = Case(experts, machine(8), LoadOptions(ignores_memory=True)), ScriptedEngine()
    case.loader.load(engine)
    assert len(engine.loads) == 1


def test_other_failures_are_not_retried(experts: ModelFile) -> None:
    engine = ScriptedEngine(LoadFailed("a tensor is missing"))
    with pytest.raises(LoadFailed):
        Case(experts, machine(64, gpu(24))).loader.load(engine)
    assert len(engine.loads) == 1


def test_the_last_failure_is_raised_if_nothing_works(experts: ModelFile) -> None:
    engine = ScriptedEngine(*[replace_message(number) for number in range(20)])
    with pytest.raises(DoesNotFit, match="no memory") as caught:
        Case(experts, machine(64, gpu(24))).loader.load(engine)
    assert caught.value.message == f"no memory {len(engine.loads) - 1}"


def replace_message(number: int) -> DoesNotFit:
    return DoesNotFit(f"no memory {number}")


def test_every_load_inspects_the_machine(experts: ModelFile) -> None:
    case = Case(experts, machine(64, gpu(24)))
    case.loader.load(ScriptedEngine())
    busy = machine(64, structs.replace(gpu(24), free_bytes=9 * GB))
    again = Loader(
        experts, read_settings(), LoadOptions(), case.steps.append, inspect=lambda *_: busy, confirm=case._confirm
    )
    again.load(ScriptedEngine())
    assert [step.plan.placement for step in case.steps] == [Placement.GPU, Placement.EXPERTS_ON_CPU]


def test_a_lost_server_is_refused_at_first_and_missed_later(experts: ModelFile) -> None:
    """The placement that was asked for goes with it."""
    server = gpu(24, "RPC", name="10.0.0.1:50052")
    options = LoadOptions(gpu_layers=31, rpc_servers=(server.name,))
    with pytest.raises(NetworkError) as caught:
        Case(experts, machine(64), options).loader.load(ScriptedEngine())
    assert caught.value.message == "the RPC server at 10.0.0.1:50052 does not answer"
    assert caught.value.hint == "start it there: ggml-rpc-server -H 10.0.0.1 -p 50052"
    machines = [machine(64, server), machine(64)]
    steps: list[LoadStep] = []
    loader = Loader(
        experts,
        read_settings(),
        options,
        steps.append,
        inspect=lambda *_: machines.pop(0),
        confirm=lambda *_: NO_FIGURES,
    )
    loaded = [loader.load(ScriptedEngine()).parameters for _ in range(2)]
    assert [step.plan.placement for step in steps] == [Placement.GPU, Placement.CPU]
    assert [parameters.rpc_servers for parameters in loaded] == [(server.name,), ()]
