"""Estimate prompt speed, limited by arithmetic or by how fast the weights reach the device.

llama.cpp computes large batches on the GPU even if the weights are in main memory: it copies them for each micro-batch
(ggml-backend.cpp, offload_op; 32 tokens or more).
"""

from functools import lru_cache

from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.speed.calibration import MIXTURE_EFFICIENCY, TRANSFER_BYTES_PER_SECOND
from g4run.planner.speed.devices import SpeedDevice, SpeedDevices
from g4run.planner.speed.token_cost import attention_operations, matrix_operations
from g4run.planner.values import ModelShape, PlanSettings

PROMPT_TOKENS = 512  # prompt length that prompt speeds refer to


def prompt_tokens_per_second(
    shape: ModelShape, settings: PlanSettings, devices: SpeedDevices, position: int, tokens: int = PROMPT_TOKENS
) -> float:
    """Return the speed for a prompt of `tokens` that starts at `position`."""
    middle = position + tokens / 2
    batch = max(1, min(settings.micro_batch, tokens))
    operations = operations_per_prompt_token(shape.architecture, middle)
    if not devices.gpus:
        return 1 / _seconds(devices.processors, operations, _layer_bytes(shape), batch)
    moved = host_bytes(shape, settings)
    stay = _layer_bytes(shape) - moved
    computing = sum(gpu.share * _seconds(gpu, operations, stay, batch) for gpu in devices.gpus)
    return 1 / (computing + moved / TRANSFER_BYTES_PER_SECOND / batch)


@lru_cache(maxsize=64)  # all files of a size have the same architecture
def operations_per_prompt_token(architecture: Gemma4, position: float) -> float:
    """Return the operations for one prompt token, converted to a dense model's; the head is computed only once."""
    layers = range(architecture.layers)
    matrices = sum(matrix_operations(architecture, layer) for layer in layers)
    attention = sum(attention_operations(architecture, layer, position) for layer in layers)
    return matrices / (MIXTURE_EFFICIENCY if architecture.expert_count else 1.0) + attention


def host_bytes(shape: ModelShape, settings: PlanSettings) -> int:
    """Return the bytes of layers in main memory: whole layers, and experts of GPU layers."""
    first = max(0, len(shape.layers) + 1 - settings.gpu_layers)
    return sum(
        layer.dense_bytes + layer.expert_bytes
        if index < first
        else layer.expert_bytes * (index < settings.cpu_expert_layers)
        for index, layer in enumerate(shape.layers)
    )


def _layer_bytes(shape: ModelShape) -> int:
    return sum(layer.dense_bytes + layer.expert_bytes for layer in shape.layers)


def _seconds(device: SpeedDevice, operations: float, weight_bytes: float, batch: int) -> float:
    """Return the seconds per token: to compute, or to read all weights per micro-batch, whichever is longer."""
    reading = weight_bytes / device.bytes_per_second / batch
    return max(operations / device.operations_per_second, reading)
