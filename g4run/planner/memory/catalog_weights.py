"""Estimate the weights of a catalog file from its size and the known dimensions of the model.

Each class of weights (embeddings, per-layer table, layers, experts) gets the bits that llama.cpp's quantizer gives it,
and all are scaled to add up to the file's size. Checked against true headers:
tests/planner/memory/test_catalog_weights.py.
"""

import re
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from g4run.models.catalog.values import CatalogFile, SizeFacts
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.quantizations import bits_of
from g4run.planner.memory.size_dimensions import architecture_of
from g4run.planner.values import LayerWeights, ModelShape

HEADER_BYTES = 15_820_000  # of a real file, mostly the vocabulary

_Q6_K_BITS, _Q8_0_BITS = 6.5625, 8.5
_FLOAT_BYTES = 4
_BLOCK = 256  # weights per block of K-quants
_MIX = re.compile(r"(?:UD-)?(Q\d_K|MXFP4)_[A-Z]+")
_MAX_PLAIN_BITS = 4.56  # Q4_0 and below in the table of tags: blocks of 32, which divide every row


class _Bits(msgspec.Struct, frozen=True):
    """Bits per weight, by class."""

    embedding: float
    matrices: float
    fallback: float  # matrices whose rows are not whole blocks
    most: float  # the largest matrices of a mix: ffn_down of some layers, at Q6_K


@lru_cache(maxsize=512)  # every attempt of a recommendation needs all files of the catalog
def shape_of_catalog(file: CatalogFile, facts: SizeFacts) -> ModelShape:
    """Estimate the shape of a catalog file, within a few percent per class."""
    architecture = architecture_of(facts.size, facts.parameters)
    bits = _bits_of(file.quantization)
    embedding = architecture.vocabulary_size * architecture.embedding_length * bits.embedding / 8
    table = architecture.vocabulary_size * _table_width(architecture) * bits.embedding / 8
    alike = _first_alike(architecture)
    layers = {layer: _raw_layer(architecture, layer, bits) for layer in set(alike)}
    raw = embedding + table + sum(layers[layer][0] + layers[layer][1] for layer in alike)
    scale = max(0, file.size_bytes - HEADER_BYTES) / raw
    scaled = {layer: _scaled(*weights, scale) for layer, weights in layers.items()}
    return ModelShape(
        name=file.name,
        architecture=architecture,
        layers=tuple(scaled[layer] for layer in alike),
        embedding_bytes=int(embedding * scale),
        table_bytes=int(table * scale),
        output_bytes=architecture.embedding_length * _FLOAT_BYTES,
        file_bytes=file.size_bytes,
        projector_bytes=_projector_bytes(file, facts),
        drafter_bytes=0,  # loaded only on request
        is_exact=False,
        digest=file.sha256 or "",
        weight_type=_weight_type(file.quantization),
        head_type="Q6_K" if bits.embedding == _Q6_K_BITS else _weight_type(file.quantization),
    )


def loaded_shape(file: CatalogFile, facts: SizeFacts) -> ModelShape:
    """Estimate the shape of a catalog file that is loaded for text only, without the projector."""
    return replace(shape_of_catalog(file, facts), projector_bytes=0)


def _projector_bytes(file: CatalogFile, facts: SizeFacts) -> int:
    """Return the projector's size; if unknown, the parameters outside the model file at BF16, plus 5 %."""
    if file.projector is None:
        return 0
    return file.projector.size_bytes or int((facts.parameters_with_encoders - facts.parameters) * 2 * 1.05)


def _bits_of(quantization: str) -> _Bits:
    """Return the bits of llama_tensor_get_type_impl (src/llama-quant.cpp); tied embeddings are at least Q6_K."""
    bits = bits_of(quantization)
    embedding = bits if bits >= _Q8_0_BITS else _Q6_K_BITS
    is_mix = quantization.endswith(("_K_M", "_K_L", "_K_XL"))
    return _Bits(embedding, bits, _fallback_bits(quantization, bits), embedding if is_mix else bits)


def _fallback_bits(quantization: str, bits: float) -> float:
    """Q4_K becomes Q5_0, Q5_K Q5_1, and Q6_K Q8_0 if a row is not whole blocks; mixes hold some of each."""
    if "_K" not in quantization or bits >= _Q8_0_BITS:
        return bits
    if bits < _MAX_PLAIN_BITS:
        return 4.5
    return {4: 6.9, 5: 7.3}.get(int(bits), _Q8_0_BITS)


@lru_cache(maxsize=16)
def _first_alike(architecture: Gemma4) -> tuple[int, ...]:
    """For each layer the first that has the same weights: there are two to five kinds."""
    kinds = zip(
        architecture.feed_forward_lengths, architecture.kv_head_counts, architecture.sliding_pattern, strict=True
    )
    numbered = [(*kind, layer == 0) for layer, kind in enumerate(kinds)]
    return tuple(numbered.index(kind) for kind in numbered)


def _raw_layer(architecture: Gemma4, layer: int, bits: _Bits) -> tuple[float, float, float]:
    """Return the dense bytes, expert bytes, and largest tensor's bytes of one layer, before scaling."""
    width, feed_forward = architecture.embedding_length, architecture.feed_forward_lengths[layer]
    head = architecture.key_length_of(layer)
    query, key = head * architecture.head_count, head * architecture.kv_head_counts[layer]
    has_values = architecture.sliding_pattern[layer] or architecture.is_small
    matrices = width * (2 * query + (2 if has_values else 1) * key) + 2 * width * feed_forward
    matrices += 2 * width * architecture.per_layer_embedding_length
    down = _rows_bits(feed_forward, bits)
    dense = (matrices * bits.matrices + feed_forward * width * down) / 8 + _float_bytes(architecture, layer)
    inner, count = architecture.expert_feed_forward_length, architecture.expert_count
    expert_half = width * inner * count / 8
    gate_up, expert_down = 2 * expert_half * bits.matrices, expert_half * _rows_bits(inner, bits)
    largest = max(
        width * feed_forward * max(down, bits.most) / 8, gate_up, expert_down, _projection(architecture, layer)
    )
    return dense, gate_up + expert_down, largest


def _rows_bits(row_length: int, bits: _Bits) -> float:
    return bits.fallback if row_length % _BLOCK else bits.matrices


def _float_bytes(architecture: Gemma4, layer: int) -> float:
    """Return the bytes of norms and router, and of the first layer's projection."""
    width = architecture.embedding_length
    norms = 5 * width + (architecture.expert_count + 4) * width * (architecture.expert_count > 0)
    return norms * _FLOAT_BYTES + _projection(architecture, layer)


def _projection(architecture: Gemma4, layer: int) -> int:
    """Return the bytes of the projection of per-layer embeddings, which is BF16 and belongs to the first layer."""
    return 2 * architecture.embedding_length * _table_width(architecture) if layer == 0 else 0


def _table_width(architecture: Gemma4) -> int:
    """Return the number of weights per token in the per-layer table."""
    return architecture.per_layer_embedding_length * architecture.layers


def _weight_type(quantization: str) -> str:
    """Return the main type of a tag: Q4_K for Q4_K_M, and Q8_0 for Q8_K_XL."""
    mix = _MIX.fullmatch(quantization)
    named = quantization.removeprefix("UD-") if mix is None else mix[1]
    return "Q8_0" if named == "Q8_K" else named


def _scaled(dense: float, experts: float, largest: float, scale: float) -> LayerWeights:
    return LayerWeights(int(dense * scale), int(experts * scale), int(largest * scale))
