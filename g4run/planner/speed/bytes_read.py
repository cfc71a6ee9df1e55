"""What one token costs: the bytes that are read for it, and the operations that a prompt's token takes."""

from dataclasses import dataclass
from functools import lru_cache

from g4run.kv_types import KvType
from g4run.models.gguf.architecture import Gemma4
from g4run.planner.memory.kv_cache import VALUE_BYTES
from g4run.planner.values import ModelShape, PlanSettings


@dataclass(frozen=True, slots=True)
class Reads:
    """What one part of a machine reads for one token, in bytes; `layers` counts the head as one."""

    weight_bytes: float
    cache_bytes: float
    layers: int


@dataclass(frozen=True, slots=True)
class SplitReads:
    """What is read for one token by where it lies; so many of the GPU's layers have their experts on the CPU."""

    gpu: Reads
    cpu: Reads
    expert_layers: int


def head_bytes(shape: ModelShape) -> int:
    """What is read after the last layer; a tied head is the embedding table itself."""
    return shape.output_bytes + (shape.embedding_bytes if shape.has_tied_head else 0)


def layer_read_bytes(shape: ModelShape, layer: int) -> float:
    """Weights of one layer read for one token."""
    return shape.layers[layer].dense_bytes + expert_read_bytes(shape, layer)


def expert_read_bytes(shape: ModelShape, layer: int) -> float:
    """Weights of one layer's experts read for one token."""
    architecture = shape.architecture
    if not architecture.expert_count:
        return 0.0
    return shape.layers[layer].expert_bytes * architecture.expert_used_count / architecture.expert_count


def cache_read_bytes(architecture: Gemma4, layer: int, kv_type: KvType, position: int) -> float:
    """Keys and values that one layer reads at a position; a layer that uses another's cache reads it all the same."""
    cells = min(position, architecture.sliding_window) if architecture.sliding_pattern[layer] else position
    elements = 2 * architecture.kv_head_counts[layer] * architecture.key_length_of(layer)
    return elements * VALUE_BYTES[kv_type] * cells


def split_reads(shape: ModelShape, settings: PlanSettings, position: int) -> SplitReads:
    """Where llama.cpp reads what: the last layers and the head on the GPU first (llama-model.cpp:1589-1615).

    Of the experts those in use, and not the embedding table. Counts the keys' and values' weights of layers that share
    a cache, which are not read: 1 % of E2B and E4B.
    """
    count = len(shape.layers)
    first = max(0, count + 1 - settings.gpu_layers)
    head = head_bytes(shape)
    on_gpu, on_cpu = range(min(first, count), count), range(min(first, count))
    moved = [layer for layer in on_gpu if layer < settings.cpu_expert_layers and shape.layers[layer].expert_bytes]
    expert_bytes = sum(expert_read_bytes(shape, layer) for layer in moved)
    has_head = settings.gpu_layers > 0
    gpu = _reads(shape, on_gpu, settings.kv_type, position)
    cpu = _reads(shape, on_cpu, settings.kv_type, position)
    return SplitReads(
        gpu=Reads(gpu.weight_bytes - expert_bytes + head * has_head, gpu.cache_bytes, gpu.layers + has_head),
        cpu=Reads(
            cpu.weight_bytes + expert_bytes + head * (not has_head), cpu.cache_bytes, cpu.layers + (not has_head)
        ),
        expert_layers=len(moved),
    )


def _reads(shape: ModelShape, layers: range, kv_type: KvType, position: int) -> Reads:
    return Reads(
        sum(layer_read_bytes(shape, layer) for layer in layers),
        _all_cache_bytes(shape.architecture, layers, kv_type, position),
        len(layers),
    )


@lru_cache(maxsize=64)  # the files of a size have one architecture
def _all_cache_bytes(architecture: Gemma4, layers: range, kv_type: KvType, position: int) -> float:
    return sum(cache_read_bytes(architecture, layer, kv_type, position) for layer in layers)


def matrix_operations(architecture: Gemma4, layer: int) -> float:
    """Operations of one layer's matrices for one token: two for each weight in use."""
    return 2.0 * (
        _attention_weights(architecture, layer)
        + 3 * architecture.embedding_length * architecture.feed_forward_lengths[layer]
        + 3 * architecture.embedding_length * architecture.expert_used_count * architecture.expert_feed_forward_length
        + 3 * architecture.embedding_length * architecture.per_layer_embedding_length
    )


def _attention_weights(architecture: Gemma4, layer: int) -> int:
    """Q and output always; K and V where the layer has a cache of its own, but no V in large models' global layers."""
    length = architecture.key_length_of(layer)
    own = 0
    if layer < architecture.kv_layers:
        own = 2 if architecture.is_small or architecture.sliding_pattern[layer] else 1
    heads = 2 * architecture.head_count + own * architecture.kv_head_counts[layer]
    return architecture.embedding_length * length * heads


def attention_operations(architecture: Gemma4, layer: int, position: float) -> float:
    """Operations of one layer's attention for one token at a position: two for each product of scores and sums."""
    cells = min(position, architecture.sliding_window) if architecture.sliding_pattern[layer] else position
    return 4.0 * architecture.head_count * architecture.key_length_of(layer) * cells
