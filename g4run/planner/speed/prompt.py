"""How fast a prompt is read: limited by arithmetic, or by how fast weights come to where it is done.

llama.cpp computes large batches on the GPU also where the weights lie in main memory: it copies them there for each
micro-batch (ggml-backend.cpp, offload_op; 32 tokens or more).
"""

from functools import lru_cache

from g4run.models.gguf.architecture import Gemma4
from g4run.planner.speed.bytes_read import attention_operations, matrix_operations
from g4run.planner.speed.calibration import MIXTURE_EFFICIENCY, TRANSFER_BYTES_PER_SECOND
from g4run.planner.speed.devices import SpeedDevice, SpeedDevices
from g4run.planner.values import ModelShape, PlanSettings

PROMPT_TOKENS = 512  # the length of a prompt that a speed is given for


def prompt_tokens_per_second(
    shape: ModelShape, settings: PlanSettings, devices: SpeedDevices, position: int, tokens: int = PROMPT_TOKENS
) -> float:
    """Speed over a prompt of so many tokens that begins at a position."""
    middle = position + tokens / 2
    batch = max(1, min(settings.micro_batch, tokens))
    operations = operations_per_prompt_token(shape.architecture, middle)
    if not devices.gpus:
        return 1 / _seconds(devices.processors, operations, _layer_bytes(shape), batch)
    moved = host_bytes(shape, settings)
    stay = _layer_bytes(shape) - moved
    computing = sum(gpu.share * _seconds(gpu, operations, stay, batch) for gpu in devices.gpus)
    return 1 / (computing + moved / TRANSFER_BYTES_PER_SECOND / batch)


@lru_cache(maxsize=64)  # the files of a size have one architecture
def operations_per_prompt_token(architecture: Gemma4, position: float) -> float:
    """Operations for one token, as many of a dense model's as they take the time of; the head is computed once only."""
    layers = range(architecture.layers)
    matrices = sum(matrix_operations(architecture, layer) for layer in layers)
    attention = sum(attention_operations(architecture, layer, position) for layer in layers)
    return matrices / (MIXTURE_EFFICIENCY if architecture.expert_count else 1.0) + attention


def host_bytes(shape: ModelShape, settings: PlanSettings) -> int:
    """Weights of layers that lie in main memory: whole layers, and experts of layers on the GPU."""
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
    """For one token: computing, or reading all weights once for a micro-batch, whichever takes longer."""
    reading = weight_bytes / (device.constants.efficiency * device.bytes_per_second) / batch
    return max(operations / device.operations_per_second, reading)
