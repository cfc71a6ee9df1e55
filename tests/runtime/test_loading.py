import os
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from g4run.engine.parameters import LoadParameters
from g4run.errors import UsageError
from g4run.hardware.machine import Machine
from g4run.kv_types import KvType
from g4run.models.library import ModelFile
from g4run.models.quantizations import FileRole
from g4run.models.store.records import Origin, Record, StoredFile, Summary
from g4run.planner.values import Placement
from g4run.runtime.loading import LoadOptions, plan_load
from g4run.settings import Settings, read_settings
from scripts.shapes.writer import write_shape
from tests.fakes.library import resolve
from tests.planner.machines import GB, gpu, machine

MACHINE = machine(64, gpu(24))
WITHOUT = machine(64)
ANY = LoadOptions()


@pytest.fixture
def model() -> ModelFile:
    return resolve("demo")


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    path = tmp_path_factory.mktemp("shapes") / "26b.gguf"
    write_shape("26b", "Q4_0", path)
    return resolve(str(path))


def settings(**changes: int) -> Settings:
    return structs.replace(read_settings(), **changes)


def parameters(model: ModelFile, options: LoadOptions = ANY, on: Machine = WITHOUT, **changes: int) -> LoadParameters:
    return plan_load(model, on, settings(**changes), options).parameters


def test_the_context_is_the_smaller_of_trained_and_default(model: ModelFile) -> None:
    assert parameters(model).context_length == 4096
    long = structs.replace(model, architecture=structs.replace(model.architecture, context_length=131072))
    assert parameters(long).context_length == 8192


def test_an_option_overrides_the_environments_context(model: ModelFile) -> None:
    assert parameters(model, context_length=1024).context_length == 1024
    assert parameters(model, LoadOptions(512), context_length=1024).context_length == 512


def test_the_environments_context_is_capped_to_the_trained_one(model: ModelFile) -> None:
    assert parameters(model, context_length=100_000).context_length == 4096


def test_an_option_beyond_the_trained_context_is_refused(model: ModelFile) -> None:
    with pytest.raises(UsageError) as caught:
        parameters(model, LoadOptions(5000))
    assert caught.value.message == "demo was trained for a context of 4,096 tokens, not 5,000"
    assert caught.value.hint == "--ctx 4096"


def test_threads_are_the_environments_or_the_machines(experts: ModelFile) -> None:
    assert parameters(experts).threads == WITHOUT.processors.threads > 1
    assert parameters(experts, threads=7).threads == 7


def test_a_tiny_model_gets_one_thread(model: ModelFile) -> None:
    assert parameters(model).threads == 1
    assert parameters(model, threads=7).threads == 7


def test_a_plan_reaches_the_engine_whole(experts: ModelFile) -> None:
    planned = plan_load(experts, MACHINE, settings(), LoadOptions(context=16384))
    assert planned.plan.placement is Placement.GPU
    assert planned.parameters == LoadParameters(
        model_path=os.fsencode(experts.path),
        context_length=16384,
        threads=MACHINE.processors.threads,
        micro_batch=512,
        gpu_layers=31,
        repack=False,
    )


def test_experts_stay_on_the_cpu_with_a_small_gpu(experts: ModelFile) -> None:
    planned = plan_load(experts, machine(64, gpu(9)), settings(), LoadOptions())
    assert planned.plan.placement is Placement.EXPERTS_ON_CPU
    assert planned.parameters.gpu_layers == 31
    assert 0 < planned.parameters.cpu_expert_layers == planned.plan.settings.cpu_expert_layers < 30


def test_fixed_options_are_kept(experts: ModelFile) -> None:
    options = LoadOptions(context=4096, kv_type=KvType.Q8_0, gpu_layers=10, cpu_expert_layers=25)
    found = parameters(experts, options, MACHINE)
    assert (found.kv_type, found.gpu_layers, found.cpu_expert_layers) == (KvType.Q8_0, 10, 25)


def test_an_option_without_effect_is_refused(model: ModelFile, experts: ModelFile) -> None:
    for file, on, options, message in (
        (experts, WITHOUT, LoadOptions(gpu_layers=5), "--gpu-layers needs a GPU that llama.cpp can use"),
        (model, WITHOUT, LoadOptions(cpu_expert_layers=1), "--cpu-experts needs a model with experts"),
    ):
        with pytest.raises(UsageError, match=f"^{message}"):
            parameters(file, options, on)
    assert parameters(model, LoadOptions(gpu_layers=0, cpu_expert_layers=0)) == parameters(model)


def test_sequences_reach_the_engine_and_are_planned_for(experts: ModelFile) -> None:
    one, four = (plan_load(experts, MACHINE, settings(), LoadOptions(sequences=count)) for count in (1, 4))
    assert (one.parameters.sequences, four.parameters.sequences) == (1, 4)
    assert four.parameters == replace(one.parameters, sequences=4)
    assert four.plan.settings.sequences == 4
    assert four.plan.ledger.devices[0].kv_bytes > one.plan.ledger.devices[0].kv_bytes


def test_without_a_gpu_the_weights_are_repacked(experts: ModelFile) -> None:
    found = parameters(experts)
    assert (found.gpu_layers, found.repack, found.gpu_split) == (0, True, ())


def test_the_caches_take_a_quarter_each_of_what_is_left_up_to_a_bound(experts: ModelFile) -> None:
    for gigabytes, is_bound in ((64, True), (18, False)):
        planned = plan_load(experts, machine(gigabytes), settings(), ANY)
        host = planned.plan.ledger.devices[-1]
        quarter = (host.left_bytes - host.margin_bytes) // 4
        expected = (512 << 20, 1 << 30) if is_bound else (min(512 << 20, quarter), quarter)
        assert (planned.parameters.checkpoint_bytes, planned.parameters.ram_cache_bytes) == expected
        assert is_bound or 0 < quarter < 1 << 30


def test_without_memory_left_there_are_no_caches(experts: ModelFile) -> None:
    forced = plan_load(experts, machine(8), settings(), LoadOptions(ignores_memory=True)).parameters
    assert (forced.checkpoint_bytes, forced.ram_cache_bytes) == (0, 0)


def with_drafter(model: ModelFile, path: Path, size_bytes: int) -> ModelFile:
    """Return the model with a store record that has a drafter."""
    files = (
        StoredFile(FileRole.MODEL, model.path, model.header.weights_bytes, None, Origin.LINKED),
        StoredFile(FileRole.DRAFTER, path, size_bytes, None, Origin.LINKED),
    )
    record = Record("mine", files, Summary("26B A4B", 1, 262144, "Q4_0", True), None, None, None, "", "")
    return structs.replace(model, record=record)


def test_a_drafter_is_loaded_if_it_fits(experts: ModelFile, tmp_path: Path) -> None:
    path = tmp_path / "drafter.gguf"
    path.touch()
    drafted, on = with_drafter(experts, path, 400_000_000), machine(64)
    planned = plan_load(drafted, on, settings(), ANY)
    assert planned.parameters.drafter_path == os.fsencode(path)
    assert planned.plan.ledger.devices[-1].drafter_bytes > 400_000_000
    without = plan_load(experts, on, settings(), ANY).plan
    host = without.ledger.devices[-1]
    enough = host.total_bytes + host.margin_bytes + 10**8
    room = structs.replace(on, memory=structs.replace(on.memory, available_bytes=enough))
    full = plan_load(drafted, room, settings(), ANY)
    assert (full.parameters.drafter_path, full.plan.ledger.devices[-1].drafter_bytes) == (None, 0)
    assert full.plan.ledger.fits and full.plan.settings == without.settings


def test_a_missing_drafter_is_ignored(experts: ModelFile, tmp_path: Path) -> None:
    assert parameters(with_drafter(experts, tmp_path / "gone.gguf", 1000)).drafter_path is None


def test_several_gpus_split_as_planned(experts: ModelFile) -> None:
    two = machine(64, gpu(8), gpu(12))
    assert parameters(experts, LoadOptions(), two).gpu_split == (8.0 * GB, 12.0 * GB)
