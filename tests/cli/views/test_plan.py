"""Plans as text and as JSON."""

import re
from pathlib import Path

import pytest

from g4run.cli.commands.plan import PlanOptions, find_advice, make_request
from g4run.cli.views.plan import plan_value, render_plan
from g4run.errors import UsageError
from g4run.kv_types import KvType
from g4run.models.library import Library
from g4run.planner.confirmed_ledger import DeviceDifference
from g4run.planner.placement import plan_model
from g4run.planner.values import Plan, PlanRequest
from g4run.runtime.plan_check import NOT_INSTALLED, Confirmation
from g4run.settings import Settings
from tests.planner.machines import gpu, machine
from tests.planner.shapes import real_shape

EXPECTED = """\
26b-Q4_0: Gemma 4 26B A4B, 14.4 GB, from its header

          RTX 3060 Ti       CPU
weights        6.3 GB    8.7 GB
KV cache     482.3 MB       0 B
compute      376.0 MB   24.1 MB
output            0 B    1.0 MB
overhead     600.0 MB  250.0 MB
total          7.7 GB    9.0 GB
free now       8.0 GB   32.0 GB
left         254.2 MB   23.0 GB
margin       250.0 MB  250.0 MB

layers           all 31 on the GPU, experts of the first 19 on the CPU
context          8,192 tokens, KV cache in f16
sequences        1, micro-batch 512 tokens
threads          8
caches           up to 536.9 MB of SWA checkpoints and 1.1 GB of host cache
token table      78.6 MB, from the first constrained answer on
longest context  f16 227,328, q8_0 262,144, q4_0 262,144

It fits: 16.8 GB in total.
"""


UNASKED = Confirmation(not_asked=NOT_INSTALLED)


def plan_on_a_small_card() -> Plan:
    return plan_model(real_shape("26b"), machine(32, gpu(8, name="RTX 3060 Ti")), PlanRequest())


def test_a_plan_as_text() -> None:
    assert render_plan(plan_on_a_small_card(), "", UNASKED, None) == EXPECTED


@pytest.mark.parametrize(
    ("confirmation", "line"),
    [
        (Confirmation(), "llama.cpp's own figures: identical to the byte."),
        (
            Confirmation((DeviceDifference("CPU", -9000),), rounding_bytes=10_000),
            "llama.cpp's own figures: identical within its rounding.",
        ),
        (
            Confirmation((DeviceDifference("RTX 3060 Ti", 12_300_000), DeviceDifference("CPU", -400_000))),
            "llama.cpp's own figures: 12.3 MB more on RTX 3060 Ti, 400.0 kB less on CPU.",
        ),
        (
            Confirmation(problem="it ended with code 1"),
            "could not get llama.cpp's own figures: it ended with code 1",
        ),
    ],
)
def test_llama_cpps_own_figures_are_one_more_line(confirmation: Confirmation, line: str) -> None:
    assert render_plan(plan_on_a_small_card(), "", confirmation, None) == f"{EXPECTED}{line}\n"


def test_without_memory_left_there_are_no_caches() -> None:
    text = render_plan(plan_model(real_shape("31b"), machine(8), PlanRequest(context=4096)), "", UNASKED, 80)
    assert [line for line in text.splitlines() if line.startswith("caches")] == [
        "caches           none: no main memory is left"
    ]


def test_two_equal_gpus_have_a_column_each() -> None:
    here = machine(64, gpu(12, name="RTX 3090"), gpu(12, name="RTX 3090"))
    text = render_plan(plan_model(real_shape("26b"), here, PlanRequest()), "", UNASKED, None)
    assert re.split(" {2,}", text.splitlines()[2].strip()) == ["RTX 3090 #1", "RTX 3090 #2", "CPU"]


def test_a_plan_that_does_not_fit_says_what_would() -> None:
    plan = plan_model(real_shape("31b"), machine(8), PlanRequest(context=4096))
    text = render_plan(plan, "Take less.", UNASKED, None)
    assert text.splitlines()[-1] == "It does not fit: 19.7 GB in total. Take less."
    assert [line.split()[0] for line in text.splitlines() if "-11.7 GB" in line] == ["left"]
    assert plan_value(plan, "Take less.", UNASKED)["fits"] is False


def test_a_plan_that_takes_part_of_the_margin_says_so() -> None:
    shape = real_shape("12b")
    needed = plan_model(shape, machine(64), PlanRequest()).ledger.total_bytes
    tight = plan_model(shape, machine((needed + 130_000_000) / 1e9), PlanRequest(context=8192, kv_type=KvType.F16))
    text = render_plan(tight, "", UNASKED, None)
    assert text.splitlines()[-1] == "It fits, with 120.0 MB less than the margin to spare: 8.0 GB in total."
    value = plan_value(tight, "", UNASKED)
    assert (value["fits"], value["can_load"], value["missing_bytes"]) == (False, True, 120_000_000)


def test_no_line_is_longer_than_the_terminal() -> None:
    differences = (DeviceDifference("NVIDIA GeForce RTX 4060 Laptop GPU", 12_300_000), DeviceDifference("CPU", 1))
    text = render_plan(plan_on_a_small_card(), "", Confirmation(differences), 80)
    assert "Laptop GPU" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_plan_as_json() -> None:
    plan = plan_on_a_small_card()
    value = plan_value(plan, "", UNASKED)
    device, host = plan.ledger.devices
    assert value == {
        "model": "26b-Q4_0",
        "is_exact": True,
        "placement": "experts_on_cpu",
        "devices": [
            {
                "name": each.name,
                "kind": kind,
                "weights_bytes": each.weights_bytes,
                "kv_bytes": each.kv_bytes,
                "compute_bytes": each.compute_bytes,
                "output_bytes": each.output_bytes,
                "projector_bytes": 0,
                "drafter_bytes": 0,
                "overhead_bytes": each.overhead_bytes,
                "total_bytes": each.total_bytes,
                "free_bytes": free,
                "margin_bytes": 250_000_000,
            }
            for each, kind, free in ((device, "gpu", 8 * 10**9), (host, "cpu", 32 * 10**9))
        ],
        "total_bytes": device.total_bytes + host.total_bytes,
        "fits": True,
        "can_load": True,
        "missing_bytes": 0,
        "unloaded_projector_bytes": 0,
        "context": 8192,
        "max_context": {kv_type.value: plan.max_context[kv_type] for kv_type in KvType},
        "settings": {
            "gpu_layers": 31,
            "cpu_expert_layers": plan.settings.cpu_expert_layers,
            "kv_type": "f16",
            "context": 8192,
            "batch": 512,
            "micro_batch": 512,
            "sequences": 1,
            "threads": 8,
            "lazy_table": False,
            "repack": False,
            "checkpoint_bytes": 512 << 20,
            "ram_cache_bytes": 1 << 30,
            "token_table_bytes": 300 << 18,
        },
        "advice": None,
        "confirmed": None,
        "not_confirmed_because": "the model is not on this machine",
    }


def test_the_json_has_the_difference_from_llama_cpp() -> None:
    differences = (DeviceDifference("RTX 3060 Ti", 5), DeviceDifference("CPU", -7))
    value = plan_value(plan_on_a_small_card(), "", Confirmation(differences))
    assert (value["confirmed"], value["not_confirmed_because"]) == (
        {"by": "llama.cpp", "difference_bytes": 12},
        None,
    )
    failed = plan_value(plan_on_a_small_card(), "", Confirmation(problem="no answer"))
    assert (failed["confirmed"], failed["not_confirmed_because"]) == (None, "no answer")


def test_a_projector_is_named_and_not_counted() -> None:
    plan = plan_on_a_small_card()
    text = render_plan(plan, "", UNASKED, 80, projector_bytes=1_200_000_000)
    line = "projector        1.2 GB, not loaded by run and chat\n"
    assert text == EXPECTED.replace("longest context", f"{line}longest context")
    with_it, without = (plan_value(plan, "", UNASKED, projector_bytes=count) for count in (1_200_000_000, 0))
    assert (with_it.pop("unloaded_projector_bytes"), without.pop("unloaded_projector_bytes")) == (1_200_000_000, 0)
    assert with_it == without


def advice_for(size: str, ram_gb: float, request: PlanRequest, tmp_path: Path) -> str:
    library = Library(Settings(data_directory=tmp_path, log_directory=tmp_path))
    here = machine(ram_gb)
    return find_advice(library, plan_model(real_shape(size), here, request), here, request)


def test_advice_is_a_context_that_fits_or_a_smaller_file(tmp_path: Path) -> None:
    """The named context does fit; the named file has the same size and an acceptable quantization."""
    asked = PlanRequest(context=262_144, kv_type=KvType.F16)
    longest = plan_model(real_shape("31b"), machine(24), PlanRequest()).max_context[KvType.F16]
    assert 8192 < longest < 262_144
    assert advice_for("31b", 24, asked, tmp_path) == f"It would fit with --ctx {longest} --kv f16."
    assert advice_for("31b", 16, PlanRequest(), tmp_path).startswith("It needs 4.3 GB more memory; gemma4:31b-")
    assert (
        advice_for("31b", 4, PlanRequest(), tmp_path)
        == "It needs 16.3 GB more memory, and no smaller file of this size fits."
    )


def test_typed_options_become_a_request() -> None:
    options = PlanOptions(16_384, "Q8_0", 4, 1024, 20, 3)
    assert make_request(options) == PlanRequest(16_384, KvType.Q8_0, 4, 1024, 20, 3)
    assert make_request(PlanOptions()) == PlanRequest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PlanOptions(context=0), "--ctx must be between 1 and 2147483647, not 0"),
        (PlanOptions(kv_type="q5_1"), "--kv must be one of f16, q8_0, q4_0, not 'q5_1'"),
        (PlanOptions(sequences=0), "--parallel must be between 1 and 256, not 0"),
        (PlanOptions(sequences=257), "--parallel must be between 1 and 256, not 257"),
        (PlanOptions(micro_batch=0), "--ubatch must be between 1 and 2147483647, not 0"),
        (PlanOptions(gpu_layers=-1), "--gpu-layers must be between 0 and 2147483647, not -1"),
        (PlanOptions(cpu_experts=-1), "--cpu-experts must be between 0 and 2147483647, not -1"),
    ],
)
def test_an_invalid_value_is_refused(options: PlanOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_request(options)
    assert caught.value.message == message
