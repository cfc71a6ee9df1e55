"""What a plan could only ignore is refused."""

import pytest

from g4run.errors import UsageError
from g4run.hardware.machine import Machine
from g4run.planner.request_validation import check_request
from g4run.planner.values import PlanRequest
from tests.planner.machines import gpu, machine
from tests.planner.shapes import real_shape

NO_GPU = "--gpu-layers needs a GPU that llama.cpp can use, and there is none"
LOOK = "leave --gpu-layers out; g4run hardware shows what there is"


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
            "leave --cpu-experts out",
        ),
        (
            "26b",
            machine(64, gpu(24)),
            PlanRequest(cpu_expert_layers=31),
            "26b-Q4_0 has 30 layers with experts, not 31",
            "--cpu-experts 30",
        ),
    ],
)
def test_what_would_change_nothing_is_refused(
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
def test_what_can_be_had_or_is_nothing_is_taken(size: str, here: Machine, request_: PlanRequest) -> None:
    check_request(request_, real_shape(size), here)
