"""Refuse requested settings that a plan could only ignore."""

from g4run.errors import UsageError
from g4run.hardware.machine import Machine
from g4run.planner.memory.layer_split import usable_gpus
from g4run.planner.values import ModelShape, PlanRequest
from g4run.units import render_count


def check_request(request: PlanRequest, shape: ModelShape, machine: Machine) -> None:
    """Raise UsageError for a context beyond the trained one, GPU layers without a GPU, or experts of a dense model.

    A count of 0 is always valid, and so are CPU experts without a GPU, where they stay anyway.
    """
    _check_context(request.context, shape)
    _check_gpu_layers(request.gpu_layers, machine)
    _check_expert_layers(request.cpu_expert_layers, shape)


def _check_context(context: int | None, shape: ModelShape) -> None:
    trained = shape.architecture.context_length
    if context is not None and context > trained:
        raise UsageError(
            f"{shape.name} was trained for a context of {render_count(trained)} tokens, not {render_count(context)}",
            f"--ctx {trained}",
        )


def _check_gpu_layers(layers: int | None, machine: Machine) -> None:
    """Any count is valid with a GPU: 99 stands for all layers."""
    if layers and not usable_gpus(machine):
        raise UsageError(
            "--gpu-layers needs a GPU that llama.cpp can use, and there is none",
            "omit --gpu-layers; g4run hardware shows your GPUs",
        )


def _check_expert_layers(layers: int | None, shape: ModelShape) -> None:
    if not layers:
        return
    if not shape.architecture.expert_count:
        raise UsageError(f"--cpu-experts needs a model with experts, and {shape.name} has none", "omit --cpu-experts")
    if layers > len(shape.layers):
        raise UsageError(
            f"{shape.name} has {len(shape.layers)} layers with experts, not {layers}",
            f"--cpu-experts {len(shape.layers)}",
        )
