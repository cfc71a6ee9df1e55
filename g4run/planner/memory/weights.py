"""Sort a model's weights by where llama.cpp puts them, from the header of its file.

Sizes are those in a CPU buffer: each tensor padded to 32 bytes, as in the file (TENSOR_ALIGNMENT, ggml-impl.h).
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.header import GgufHeader, TensorInfo
from g4run.planner.values import LayerWeights, ModelShape

TENSOR_ALIGNMENT = 32

_LAYER = re.compile(r"blk\.(\d+)\.")
_EXPERTS = re.compile(r"\.ffn_(up|down|gate|gate_up)_(ch|)exps")  # LLM_FFN_EXPS_REGEX, common/common.h
_EMBEDDING, _TABLE, _HEAD = "token_embd.weight", "per_layer_token_embd.weight", "output.weight"
# Tensors without a layer but "repeating" (src/models/gemma4.cpp:61-62, 87) go with the first, or first global, layer.
_OF_FIRST_LAYER = ("per_layer_model_proj.weight", "per_layer_proj_norm.weight")
_OF_FIRST_GLOBAL_LAYER = "rope_freqs.weight"


@dataclass(slots=True)
class _Sums:
    """The bytes counted so far in one layer."""

    dense: int = 0
    experts: int = 0
    largest: int = 0

    def add(self, tensor: TensorInfo) -> None:
        size = padded_bytes(tensor)
        if _EXPERTS.search(tensor.name):
            self.experts += size
        else:
            self.dense += size
        self.largest = max(self.largest, size)

    def weights(self) -> LayerWeights:
        return LayerWeights(self.dense, self.experts, self.largest)


@dataclass(slots=True)
class _Counted:
    """All tensors by where they go."""

    layers: list[_Sums]
    first_global: int
    types: Counter[str] = field(default_factory=Counter)  # bytes of the layers
    embedding: list[TensorInfo] = field(default_factory=list)
    table: list[TensorInfo] = field(default_factory=list)
    head: list[TensorInfo] = field(default_factory=list)
    output: list[TensorInfo] = field(default_factory=list)

    def add(self, tensor: TensorInfo) -> None:
        layer = self._layer_of(tensor.name)
        if layer is not None:
            self.layers[layer].add(tensor)
            self.types[tensor.type.name] += tensor.size_bytes
        else:
            named = {_EMBEDDING: self.embedding, _TABLE: self.table, _HEAD: self.head}
            named.get(tensor.name, self.output).append(tensor)

    def _layer_of(self, name: str) -> int | None:
        match = _LAYER.match(name)
        if match is not None:
            return min(int(match[1]), len(self.layers) - 1)
        if name in _OF_FIRST_LAYER:
            return 0
        return self.first_global if name == _OF_FIRST_GLOBAL_LAYER else None


def shape_of(
    name: str,
    header: GgufHeader,
    architecture: Gemma4,
    *,
    file_bytes: int,
    projector_bytes: int = 0,
    drafter_bytes: int = 0,
    digest: str = "",
) -> ModelShape:
    """Sort a header's tensors by where llama.cpp puts them (src/llama-model.cpp:1589-1620, src/llama-arch.cpp)."""
    first_global = architecture.sliding_pattern.index(False) if False in architecture.sliding_pattern else 0
    counted = _Counted([_Sums() for _ in range(architecture.layers)], first_global)
    for tensor in header.tensors:
        counted.add(tensor)
    return ModelShape(
        name=name,
        architecture=architecture,
        layers=tuple(sums.weights() for sums in counted.layers),
        embedding_bytes=_total(counted.embedding),
        table_bytes=_total(counted.table),
        output_bytes=_total(counted.output) + _total(counted.head),
        file_bytes=file_bytes,
        projector_bytes=projector_bytes,
        drafter_bytes=drafter_bytes,
        is_exact=True,
        digest=digest,
        weight_type=counted.types.most_common(1)[0][0],
        head_type=next((tensor.type.name for tensor in (*counted.head, *counted.embedding)), ""),
        has_tied_head=not counted.head,
    )


def padded_bytes(tensor: TensorInfo) -> int:
    """Return a tensor's size in a CPU buffer."""
    return -(-tensor.size_bytes // TENSOR_ALIGNMENT) * TENSOR_ALIGNMENT


def _total(tensors: Iterable[TensorInfo]) -> int:
    return sum(padded_bytes(tensor) for tensor in tensors)
