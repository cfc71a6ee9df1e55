"""Refuse requested settings that a plan could only ignore."""

from g4run.errors import UsageError
from g4run.hardware.machine import Machine
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.values import ModelShape, PlanRequest
from g4run.units import render_count


def check_request(request: PlanRequest, shape: ModelShape, machine: Machine) -> None:
    """Raise UsageError for a context beyond the trained one, GPU layers without a GPU, or experts of a dense model.

    A count of 0 is always valid, and so are CPU experts without a GPU, where they stay anyway. Larger counts than the
    model's stand for all layers.
    """
    trained = shape.architecture.context_length
    if request.context is not None and request.context > trained:
        counts = f"{render_count(trained)} tokens, not {render_count(request.context)}"
        raise UsageError(f"{shape.name} was trained for a context of {counts}", f"--ctx {trained}")
    if request.gpu_layers and not usable_gpus(machine):
        raise UsageError(
            "--gpu-layers needs a GPU that llama.cpp can use, and there is none",
            "omit --gpu-layers; g4run hardware shows your GPUs",
        )
    experts = request.cpu_expert_layers or 0
    if experts and not shape.architecture.expert_count:
        raise UsageError(f"--cpu-experts needs a model with experts, and {shape.name} has none", "omit --cpu-experts")
