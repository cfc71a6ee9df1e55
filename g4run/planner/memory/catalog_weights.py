"""The weights of a file that is not here: the size's known dimensions, and the file's bytes spread over them.

Each class of weights (embeddings, per-layer table, layers, experts) gets the bits that llama.cpp's quantizer gives it,
and all are scaled so that the sum is the file's size. Checked against the sizes' true headers:
tests/planner/memory/test_catalog_weights.py.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from g4run.models.catalog.values import CatalogFile, SizeFacts
from g4run.models.gguf.architecture import Gemma4
from g4run.models.quantizations import bits_of
from g4run.planner.memory.family import architecture_of
from g4run.planner.values import LayerWeights, ModelShape

HEADER_BYTES = 15_820_000  # of a real file, the vocabulary above all

_Q6_K_BITS, _Q8_0_BITS = 6.5625, 8.5
_FLOAT_BYTES = 4
_BLOCK = 256  # K-quants come in whole blocks of it
_MIX = re.compile(r"(?:UD-)?(Q\d_K|MXFP4)_[A-Z]+")
_MOST_PLAIN_BITS = 4.56  # Q4_0 and below in the table of tags: blocks of 32, which divide every row


@dataclass(frozen=True, slots=True)
class _Bits:
    """Bits for each weight, by class."""

    embedding: float
    matrices: float
    fallback: float  # matrices whose rows are no whole blocks
    most: float  # the matrices that a mix treats best: ffn_down of some layers, at Q6_K


@lru_cache(maxsize=512)  # every attempt of a recommendation asks for all files of the catalog
def shape_of_catalog(file: CatalogFile, facts: SizeFacts) -> ModelShape:
    """The shape that a file of the catalog will have, within a few percent a class."""
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
        drafter_bytes=0,  # it is loaded only where it is asked for
        is_exact=False,
        digest=file.sha256 or "",
        weight_type=_weight_type(file.quantization),
        head_type="Q6_K" if bits.embedding == _Q6_K_BITS else _weight_type(file.quantization),
    )


def loaded_shape(file: CatalogFile, facts: SizeFacts) -> ModelShape:
    """Return the shape that is loaded for text: without the projector."""
    return replace(shape_of_catalog(file, facts), projector_bytes=0)


def _projector_bytes(file: CatalogFile, facts: SizeFacts) -> int:
    """The projector's size; where it is not known, BF16 for all that the model has besides its file, and 5 %."""
    if file.projector is None:
        return 0
    return file.projector.size_bytes or int((facts.parameters_with_encoders - facts.parameters) * 2 * 1.05)


def _bits_of(quantization: str) -> _Bits:
    """Bits as llama_tensor_get_type_impl gives them (src/llama-quant.cpp); tied embeddings are at least Q6_K."""
    bits = bits_of(quantization)
    embedding = bits if bits >= _Q8_0_BITS else _Q6_K_BITS
    is_mix = quantization.endswith(("_K_M", "_K_L", "_K_XL"))
    return _Bits(embedding, bits, _fallback_bits(quantization, bits), embedding if is_mix else bits)


def _fallback_bits(quantization: str, bits: float) -> float:
    """Q4_K becomes Q5_0, Q5_K Q5_1 and Q6_K Q8_0 where a row is no whole blocks; mixes hold some of each."""
    if "_K" not in quantization or bits >= _Q8_0_BITS:
        return bits
    if bits < _MOST_PLAIN_BITS:
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
    """Dense bytes, expert bytes, and the largest tensor's bytes of one layer, before they are scaled."""
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
    """Norms and the router, and what the first layer has besides."""
    width = architecture.embedding_length
    norms = 5 * width + (architecture.expert_count + 4) * width * (architecture.expert_count > 0)
    return norms * _FLOAT_BYTES + _projection(architecture, layer)


def _projection(architecture: Gemma4, layer: int) -> int:
    """What goes with the first layer to project the per-layer embeddings: BF16."""
    return 2 * architecture.embedding_length * _table_width(architecture) if layer == 0 else 0


def _table_width(architecture: Gemma4) -> int:
    """Weights of the per-layer table for one token."""
    return architecture.per_layer_embedding_length * architecture.layers


def _weight_type(quantization: str) -> str:
    """The type that a tag names: Q4_K_M is mostly Q4_K, and Q8_K_XL Q8_0."""
    mix = _MIX.fullmatch(quantization)
    named = quantization.removeprefix("UD-") if mix is None else mix[1]
    return "Q8_0" if named == "Q8_K" else named


def _scaled(dense: float, experts: float, largest: float, scale: float) -> LayerWeights:
    return LayerWeights(int(dense * scale), int(experts * scale), int(largest * scale))
