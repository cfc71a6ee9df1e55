"""The line printed before a load."""

from msgspec.structs import replace

from g4run.cli.terminal.loading import describe_plan, render_step
from g4run.errors import DoesNotFit
from g4run.models.catalog.catalog import read_catalog
from g4run.planner.memory.catalog_weights import shape_of_catalog
from g4run.planner.placement import plan_model
from g4run.planner.values import Plan, PlanRequest
from g4run.runtime.loader import LoadStep
from g4run.settings import read_settings
from tests.planner.machines import gpu, machine


def plan_of(name: str, ram_gb: float, *vram_gb: float) -> Plan:
    catalog = read_catalog(read_settings().data_directory)
    file = next(file for file in catalog.files if file.name == name)
    shape = replace(shape_of_catalog(file, catalog.facts(file.size)), projector_bytes=0)
    return plan_model(shape, machine(ram_gb, *(gpu(size) for size in vram_gb)), PlanRequest())


def test_on_the_cpu() -> None:
    text = describe_plan(plan_of("gemma4:e2b-q4_k_m", 16))
    assert text.startswith("on the CPU, context 8,192, f16 cache, 8 threads, ")
    assert text.endswith(" of 16 GB RAM")


def test_all_on_the_gpu() -> None:
    text = describe_plan(plan_of("gemma4:26b-qat-q4_0", 64, 24))
    assert text.startswith("all on the GPU, context 8,192, f16 cache, ")
    assert " of 24 GB GPU, " in text and text.endswith(" of 64 GB RAM")


def test_experts_and_layers() -> None:
    moved = plan_of("gemma4:26b-qat-q4_0", 64, 8)
    assert f"on the GPU, experts of {moved.settings.cpu_expert_layers} layers on the CPU, " in describe_plan(moved)
    partial = plan_of("gemma4:31b-qat-q4_0", 64, 12)
    assert describe_plan(partial).startswith(f"{partial.settings.gpu_layers} of 61 layers on the GPU, ")


def test_a_step_says_why_the_previous_one_failed() -> None:
    plan = plan_of("gemma4:e2b-q4_k_m", 16)
    assert render_step("gemma4:e2b", LoadStep(plan), 80) == f"gemma4:e2b: {describe_plan(plan)}\n"
    failure = DoesNotFit("there is not enough memory for the model: unable to allocate CUDA0 buffer")
    assert render_step("gemma4:e2b", LoadStep(plan, failure), None) == (
        "There is not enough memory for the model: unable to allocate CUDA0 buffer; trying other settings\n"
        f"gemma4:e2b: {describe_plan(plan)}\n"
    )


def test_a_long_name_is_cut_to_fit_one_line() -> None:
    plan = plan_of("gemma4:e2b-q4_k_m", 16)
    (line,) = render_step("hf.co/somebody-with-a-long-name/gemma-4-E2B-it-GGUF:Q4_K_M", LoadStep(plan), 80).splitlines()
    assert len(line) <= 80 and line.endswith(f": {describe_plan(plan)}")
