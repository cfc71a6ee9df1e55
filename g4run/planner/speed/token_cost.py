"""Compute the cost of one token: the bytes read to generate it, and the operations for a prompt token."""

from functools import lru_cache
from typing import Final

import msgspec
from msgspec.structs import replace

from g4run.kv_types import KvType
from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.memory.kv_cache import VALUE_BYTES
from g4run.planner.values import ModelShape, PlanSettings

_VECTOR_HEAD_LENGTH: Final = 256


class TokenCost(msgspec.Struct, frozen=True):
    """What one part of a machine reads and computes to generate one token; `layers` counts the head as one."""

    weight_bytes: float
    expert_bytes: float  # those of experts among them
    weights: float  # number of weights multiplied
    expert_weights: float  # those of experts among them
    cache_bytes: float
    copied_bytes: float  # what CUDA and ROCm also move to convert a quantized cache
    attention_operations: float
    layers: int


class SplitCost(msgspec.Struct, frozen=True):
    """What the GPUs and the CPU read and compute for one token."""

    gpu: TokenCost
    cpu: TokenCost
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


def copied_cache_bytes(architecture: Gemma4, layer: int, kv_type: KvType, position: int) -> float:
    """Return the bytes that CUDA and ROCm write and read again to convert a layer's quantized cache to half precision.

    Their attention kernels for single tokens take quantized values up to a head length of 256 (ggml-cuda/fattn.cu:
    can_use_vector_kernel; fattn-common.cuh: need_f16_K).
    """
    if kv_type is KvType.F16 or architecture.key_length_of(layer) <= _VECTOR_HEAD_LENGTH:
        return 0.0
    return 2 * cache_read_bytes(architecture, layer, KvType.F16, position)


def split_cost(shape: ModelShape, settings: PlanSettings, position: int) -> SplitCost:
    """Split the cost between GPUs and CPU: GPUs take the last layers and the head (llama-model.cpp:1589-1615).

    Counts only active experts, and not the embedding table. Also counts the key and value weights of layers that share
    a cache, although they are not read: 1 % of E2B and E4B.
    """
    count = len(shape.layers)
    first = max(0, count + 1 - settings.gpu_layers)
    on_gpu, on_cpu = range(min(first, count), count), range(min(first, count))
    moved = [layer for layer in on_gpu if layer < settings.cpu_expert_layers and shape.layers[layer].expert_bytes]
    has_head = settings.gpu_layers > 0
    gpu = _cost(shape, on_gpu, settings.kv_type, position, has_head=has_head)
    cpu = _cost(shape, on_cpu, settings.kv_type, position, has_head=not has_head)
    expert_bytes = sum(expert_read_bytes(shape, layer) for layer in moved)
    weights = len(moved) * active_expert_weights(shape.architecture)
    return SplitCost(_with_experts(gpu, -expert_bytes, -weights), _with_experts(cpu, expert_bytes, weights), len(moved))


def _cost(shape: ModelShape, layers: range, kv_type: KvType, position: int, *, has_head: bool) -> TokenCost:
    architecture = shape.architecture
    computed = _computed(architecture, layers, kv_type, position)
    return TokenCost(
        weight_bytes=sum(layer_read_bytes(shape, layer) for layer in layers) + has_head * shape.head_bytes,
        expert_bytes=sum(expert_read_bytes(shape, layer) for layer in layers),
        weights=computed.weights + has_head * architecture.vocabulary_size * architecture.embedding_length,
        expert_weights=computed.expert_weights,
        cache_bytes=computed.cache_bytes,
        copied_bytes=computed.copied_bytes,
        attention_operations=computed.attention_operations,
        layers=len(layers) + has_head,
    )


def _with_experts(cost: TokenCost, expert_bytes: float, weights: float) -> TokenCost:
    return replace(
        cost,
        weight_bytes=cost.weight_bytes + expert_bytes,
        expert_bytes=cost.expert_bytes + expert_bytes,
        weights=cost.weights + weights,
        expert_weights=cost.expert_weights + weights,
    )


@lru_cache(maxsize=64)  # all files of a size have the same architecture
def _computed(architecture: Gemma4, layers: range, kv_type: KvType, position: int) -> TokenCost:
    """Return the part of the cost that does not depend on the file."""
    return TokenCost(
        weight_bytes=0.0,
        expert_bytes=0.0,
        weights=sum(matrix_operations(architecture, layer) for layer in layers) / 2,
        expert_weights=len(layers) * active_expert_weights(architecture),
        cache_bytes=sum(cache_read_bytes(architecture, layer, kv_type, position) for layer in layers),
        copied_bytes=sum(copied_cache_bytes(architecture, layer, kv_type, position) for layer in layers),
        attention_operations=sum(attention_operations(architecture, layer, position) for layer in layers),
        layers=len(layers),
    )


def active_expert_weights(architecture: Gemma4) -> float:
    """Return the number of weights of a layer's active experts."""
    return (
        3.0 * architecture.embedding_length * architecture.expert_used_count * architecture.expert_feed_forward_length
    )


def matrix_operations(architecture: Gemma4, layer: int) -> float:
    """Return the operations of one layer's matrices for one token: two per active weight."""
    return 2.0 * (
        _attention_weights(architecture, layer)
        + 3 * architecture.embedding_length * architecture.feed_forward_lengths[layer]
        + active_expert_weights(architecture)
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
