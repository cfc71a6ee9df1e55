"""Settings that a plan could only ignore are refused."""

import pytest

from g4run.errors import UsageError
from g4run.hardware.machine import Machine
from g4run.planner.request_validation import check_request
from g4run.planner.values import PlanRequest
from tests.planner.machines import gpu, machine
from tests.planner.shapes import real_shape

NO_GPU = "--gpu-layers needs a GPU that llama.cpp can use, and there is none"
LOOK = "omit --gpu-layers; g4run hardware shows your GPUs"


@pytest.mark.parametrize(
    ("size", "here", "request_", "message", "hint"),
    [
        (
            "e2b",
            machine(8),
            PlanRequest(context=200_000),
            "e2b-Q4_0 was trained for a context of 131,072 tokens, not 200,000",
            "--ctx 131072",
        ),
        ("26b", machine(64), PlanRequest(gpu_layers=20), NO_GPU, LOOK),
        ("26b", machine(64, gpu(24, None)), PlanRequest(gpu_layers=1), NO_GPU, LOOK),
        (
            "12b",
            machine(64, gpu(24)),
            PlanRequest(cpu_expert_layers=5),
            "--cpu-experts needs a model with experts, and 12b-Q4_0 has none",
            "omit --cpu-experts",
        ),
    ],
)
def test_settings_without_effect_are_refused(
    size: str, here: Machine, request_: PlanRequest, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_request(request_, real_shape(size), here)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("size", "here", "request_"),
    [
        ("e2b", machine(8), PlanRequest(context=131_072)),
        ("12b", machine(64), PlanRequest(gpu_layers=0, cpu_expert_layers=0)),
        ("26b", machine(64, gpu(24)), PlanRequest(gpu_layers=99, cpu_expert_layers=30)),
        ("26b", machine(64), PlanRequest(cpu_expert_layers=5)),
    ],
)
def test_possible_and_empty_settings_are_accepted(size: str, here: Machine, request_: PlanRequest) -> None:
    check_request(request_, real_shape(size), here)
