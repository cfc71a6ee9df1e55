"""Compute the cost of one token: the bytes read to generate it, and the operations for a prompt token."""

from functools import lru_cache

import msgspec

from g4run.kv_types import KvType
from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.memory.kv_cache import VALUE_BYTES
from g4run.planner.values import ModelShape, PlanSettings


class BytesRead(msgspec.Struct, frozen=True):
    """What one part of a machine reads for one token; `layers` counts the head as one."""

    weight_bytes: float
    cache_bytes: float
    layers: int


class SplitBytesRead(msgspec.Struct, frozen=True):
    """What the GPUs and the CPU read for one token."""

    gpu: BytesRead
    cpu: BytesRead
    expert_layers: int  # number of GPU layers with their experts on the CPU


def layer_read_bytes(shape: ModelShape, layer: int) -> float:
    """Return the bytes of one layer's weights read for one token."""
    return shape.layers[layer].dense_bytes + expert_read_bytes(shape, layer)


def expert_read_bytes(shape: ModelShape, layer: int) -> float:
    """Return the bytes of one layer's experts read for one token."""
    architecture = shape.architecture
    if not architecture.expert_count:
        return 0.0
    return shape.layers[layer].expert_bytes * architecture.expert_used_count / architecture.expert_count


def cache_read_bytes(architecture: Gemma4, layer: int, kv_type: KvType, position: int) -> float:
    """Return the bytes of keys and values that one layer reads at a position, also from another layer's cache."""
    cells = min(position, architecture.sliding_window) if architecture.sliding_pattern[layer] else position
    elements = 2 * architecture.kv_head_counts[layer] * architecture.key_length_of(layer)
    return elements * VALUE_BYTES[kv_type] * cells


def split_reads(shape: ModelShape, settings: PlanSettings, position: int) -> SplitBytesRead:
    """Split what is read between GPUs and CPU: GPUs take the last layers and the head (llama-model.cpp:1589-1615).

    Counts only active experts, and not the embedding table. Also counts the key and value weights of layers that share
    a cache, although they are not read: 1 % of E2B and E4B.
    """
    count = len(shape.layers)
    first = max(0, count + 1 - settings.gpu_layers)
    head = shape.head_bytes
    on_gpu, on_cpu = range(min(first, count), count), range(min(first, count))
    moved = [layer for layer in on_gpu if layer < settings.cpu_expert_layers and shape.layers[layer].expert_bytes]
    expert_bytes = sum(expert_read_bytes(shape, layer) for layer in moved)
    has_head = settings.gpu_layers > 0
    gpu = _reads(shape, on_gpu, settings.kv_type, position)
    cpu = _reads(shape, on_cpu, settings.kv_type, position)
    return SplitBytesRead(
        gpu=BytesRead(gpu.weight_bytes - expert_bytes + head * has_head, gpu.cache_bytes, gpu.layers + has_head),
        cpu=BytesRead(
            cpu.weight_bytes + expert_bytes + head * (not has_head), cpu.cache_bytes, cpu.layers + (not has_head)
        ),
        expert_layers=len(moved),
    )


def _reads(shape: ModelShape, layers: range, kv_type: KvType, position: int) -> BytesRead:
    return BytesRead(
        sum(layer_read_bytes(shape, layer) for layer in layers),
        _all_cache_bytes(shape.architecture, layers, kv_type, position),
        len(layers),
    )


@lru_cache(maxsize=64)  # all files of a size have the same architecture
def _all_cache_bytes(architecture: Gemma4, layers: range, kv_type: KvType, position: int) -> float:
    return sum(cache_read_bytes(architecture, layer, kv_type, position) for layer in layers)


def matrix_operations(architecture: Gemma4, layer: int) -> float:
    """Return the operations of one layer's matrices for one token: two per active weight."""
    return 2.0 * (
        _attention_weights(architecture, layer)
        + 3 * architecture.embedding_length * architecture.feed_forward_lengths[layer]
        + 3 * architecture.embedding_length * architecture.expert_used_count * architecture.expert_feed_forward_length
        + 3 * architecture.embedding_length * architecture.per_layer_embedding_length
    )


def _attention_weights(architecture: Gemma4, layer: int) -> int:
    """Count Q and output, and K and V if the layer owns a cache; global layers of large models have no V."""
    length = architecture.key_length_of(layer)
    own = 0
    if layer < architecture.kv_layers:
        own = 2 if architecture.is_small or architecture.sliding_pattern[layer] else 1
    heads = 2 * architecture.head_count + own * architecture.kv_head_counts[layer]
    return architecture.embedding_length * length * heads


def attention_operations(architecture: Gemma4, layer: int, position: float) -> float:
    """Return the operations of one layer's attention for one token: two per product of scores and sums."""
    cells = min(position, architecture.sliding_window) if architecture.sliding_pattern[layer] else position
    return 4.0 * architecture.head_count * architecture.key_length_of(layer) * cells
