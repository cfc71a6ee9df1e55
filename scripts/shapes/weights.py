"""Random weights: valid blocks of every type, whose values spread about SPREAD around zero."""

from collections.abc import Iterator

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

from scripts.shapes.tensors import Tensor

Bytes = NDArray[np.uint8]

SPREAD = 0.02
POOL_BYTES, CHUNK_BYTES = 8 << 20, 4 << 20


def _halves(values: NDArray[np.floating]) -> Bytes:
    return values.astype("<f2").reshape(-1, 1).view(np.uint8)


def _random_blocks(kind: str, count: int, random: np.random.Generator) -> Bytes:
    """`count` valid blocks of a type, one a row; layouts: ggml/src/ggml-common.h."""
    block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[kind]][1]
    blocks = random.integers(0, 256, (count, block_bytes), np.uint8)
    scale = random.uniform(0.8, 1.2, count) * SPREAD
    if kind in ("F16", "BF16", "F32"):
        values = random.normal(0.0, SPREAD, count).astype("<f4")
        high_half = np.ascontiguousarray(values.view("<u2").reshape(-1, 2)[:, 1:]).view(np.uint8)
        return {"F32": values.reshape(-1, 1).view(np.uint8), "F16": _halves(values), "BF16": high_half}[kind]
    if kind in ("Q4_0", "Q5_0", "Q8_0"):
        blocks[:, :2] = _halves(scale / {"Q4_0": 4.6, "Q5_0": 9.2, "Q8_0": 73.9}[kind])
    elif kind == "Q5_1":
        blocks[:, :2], blocks[:, 2:4] = _halves(scale / 9.2), _halves(scale / 9.2 * -15.5)
    elif kind in ("Q4_K", "Q5_K"):  # values d * s * q - dmin * m, with 6-bit s and m
        middle = 7.5 if kind == "Q4_K" else 15.5
        blocks[:, :2], blocks[:, 2:4] = _halves(scale / middle / 30), _halves(scale / 30)
    elif kind == "Q6_K":  # values d * s * (q - 32), with 8-bit s, here within -16..15
        blocks[:, 192:208] = random.integers(-16, 16, (count, 16), np.int8).view(np.uint8)
        blocks[:, 208:] = _halves(scale / 170)
    return blocks


def _free_bits(kind: str) -> Bytes:
    """The bits of a block that may change without changing the size of its values."""
    floats = {"F16": (0xFF, 0x83), "BF16": (0x7F, 0x80), "F32": (0xFF, 0xFF, 0x7F, 0x80)}
    if kind in floats:
        return np.array(floats[kind], np.uint8)
    bits = np.full(GGML_QUANT_SIZES[GGMLQuantizationType[kind]][1], 0xFF, np.uint8)
    fixed = {"Q5_1": slice(0, 4), "Q4_K": slice(0, 4), "Q5_K": slice(0, 4), "Q6_K": slice(192, None)}
    bits[fixed.get(kind, slice(0, 2))] = 0
    return bits


class RandomWeights:
    """Endless random data of every type, made once and then varied by place and by flipped bits."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._pools: dict[str, tuple[Bytes, Bytes]] = {}

    def chunks(self, tensor: Tensor) -> Iterator[Bytes]:
        """A tensor's data in pieces of some megabytes."""
        if len(tensor.shape) == 1:
            yield self._vector(tensor).astype("<f4").view(np.uint8)
            return
        pool, free = self._pool(tensor.kind)
        rows = CHUNK_BYTES // pool.shape[1]
        for left in range(tensor.size_bytes, 0, -rows * pool.shape[1]):
            start = int(self._random.integers(len(pool) - rows))
            flips = self._random.integers(0, 256, pool.shape[1], np.uint8) & free
            yield (pool[start : start + rows] ^ flips).reshape(-1)[:left]

    def _vector(self, tensor: Tensor) -> NDArray[np.floating]:
        if tensor.name.endswith((".scale", "layer_output_scale.weight")):
            return np.ones(tensor.shape)
        size = 0.25 if tensor.name.endswith(("attn_q_norm.weight", "attn_k_norm.weight")) else 1.0  # calm attention
        return self._random.normal(size, 0.05 * size, tensor.shape)

    def _pool(self, kind: str) -> tuple[Bytes, Bytes]:
        if kind not in self._pools:
            block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[kind]][1]
            group = 1 + 1024 // block_bytes  # rows of about 1 KiB keep numpy's inner loop long
            count = POOL_BYTES // (block_bytes * group) * group
            pool = _random_blocks(kind, count, self._random).reshape(-1, block_bytes * group)
            self._pools[kind] = pool, np.tile(_free_bits(kind), group)
        return self._pools[kind]


def rope_frequencies(key_length: int) -> NDArray[np.floating]:
    """Divisors of the global layers' frequencies: the first quarter turns, the rest stands still."""
    turning = key_length // 8
    return np.array([1.0] * turning + [1e30] * (key_length // 2 - turning), "<f4")
