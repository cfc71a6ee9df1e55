"""This machine as the engine sees it."""

from dataclasses import asdict, fields, replace

from g4run.engine.llama.devices import DeviceReport, inspect_engine
from g4run.hardware.gpus.gpus import GgmlDevice
from g4run.hardware.machine import Machine
from g4run.planner.memory.ledger import has_second_head
from g4run.planner.placement import plan_model
from g4run.planner.values import PlanRequest
from g4run.runtime.machine import inspect_this_machine, inspect_without_gpus, without_amx
from g4run.settings import read_settings
from tests.planner.machines import machine
from tests.planner.shapes import real_shape


def test_a_device_as_the_engine_reports_it_is_one_as_the_machine_takes_it() -> None:
    assert [(field.name, field.type) for field in fields(DeviceReport)] == [
        (field.name, field.type) for field in fields(GgmlDevice)
    ]
    report = DeviceReport("CUDA0", "RTX 4090", "CUDA", "gpu", 24_000, 23_000, "0000:01:00.0")
    assert GgmlDevice(**asdict(report)) == GgmlDevice(
        "CUDA0", "RTX 4090", "CUDA", "gpu", 24_000, 23_000, "0000:01:00.0"
    )


def with_sets(*names: str) -> Machine:
    here = machine(32)
    return replace(here, processors=replace(here.processors, instruction_sets=names))


def test_a_head_that_only_amx_would_copy_is_mapped_where_llama_cpp_leaves_amx_alone() -> None:
    listed = with_sets("avx2", "avx512f", "amx_int8", "amx_bf16")
    used = without_amx(listed)
    assert used == with_sets("avx2", "avx512f", "amx_bf16")
    shape = real_shape("12b")
    plans = [plan_model(shape, here, PlanRequest()) for here in (listed, used)]
    assert [has_second_head(shape, plan.settings, here) for plan, here in zip(plans, (listed, used), strict=True)] == [
        True,
        False,
    ]
    assert plans[0].ledger.total_bytes - plans[1].ledger.total_bytes == shape.embedding_bytes
    assert plans[0].settings == plans[1].settings


def test_amx_counts_where_both_the_processor_and_the_engine_have_it() -> None:
    listed = inspect_without_gpus().processors.instruction_sets
    found = inspect_this_machine(read_settings()).processors.instruction_sets
    expected = listed if "AMX" in inspect_engine().layouts else tuple(name for name in listed if name != "amx_int8")
    assert found == expected
