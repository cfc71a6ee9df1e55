"""AMX counts only where both the processor and the engine have it."""

import re
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from g4run.engine.llama.devices import inspect_engine
from g4run.hardware.inspection import inspect_machine
from g4run.hardware.machine import Machine
from g4run.hardware.processors import Processors, inspect_processors
from g4run.planner.memory.ledger import has_head_copy
from g4run.planner.placement import plan_model
from g4run.planner.values import PlanRequest
from g4run.settings import read_settings
from tests.hardware.recorded import load_recorded
from tests.planner.machines import machine
from tests.planner.shapes import real_shape


def with_sets(*names: str) -> Machine:
    here = machine(32)
    return structs.replace(here, processors=structs.replace(here.processors, instruction_sets=names))


def test_a_head_that_only_amx_would_copy_is_mapped_where_llama_cpp_leaves_amx_alone() -> None:
    listed = with_sets("avx2", "avx512f", "amx_int8", "amx_bf16")
    used = structs.replace(listed, processors=listed.processors.without_amx())
    assert used == with_sets("avx2", "avx512f", "amx_bf16")
    shape = real_shape("12b")
    plans = [plan_model(shape, here, PlanRequest()) for here in (listed, used)]
    assert [has_head_copy(shape, plan.settings, here) for plan, here in zip(plans, (listed, used), strict=True)] == [
        True,
        False,
    ]
    assert plans[0].ledger.total_bytes - plans[1].ledger.total_bytes == shape.embedding_bytes
    assert plans[0].settings == plans[1].settings


def test_amx_counts_where_both_the_processor_and_the_engine_have_it() -> None:
    listed = inspect_processors()
    expected = listed if inspect_engine().has_amx else listed.without_amx()
    assert inspect_machine(read_settings()).processors.instruction_sets == expected.instruction_sets


def test_amx_is_left_out_where_the_engine_crashes_with_it(tmp_path: Path) -> None:
    recorded = load_recorded("desktop", tmp_path)
    cpuinfo = tmp_path / "proc/cpuinfo"
    cpuinfo.write_text(re.sub(r"^flags.*", r"\g<0> amx_int8", cpuinfo.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    assert "amx_int8" in recorded.inspect().processors.instruction_sets
    crashing = replace(recorded, engine=structs.replace(recorded.engine, has_amx=False))
    assert "amx_int8" not in crashing.inspect().processors.instruction_sets


def test_where_the_instruction_sets_are_unknown_the_library_decides() -> None:
    assert Processors(4, None).may_use_amx
    assert not Processors(4, None, instruction_sets=("avx2",)).may_use_amx
