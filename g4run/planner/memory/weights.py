"""Sort a model's weights by where llama.cpp puts them, from the header of its file.

Sizes are those in a CPU buffer: each tensor padded to 32 bytes, as in the file (TENSOR_ALIGNMENT, ggml-impl.h).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.header import GgufHeader, TensorInfo
from g4run.planner.values import LayerWeights, ModelShape

TENSOR_ALIGNMENT = 32

_LAYER = re.compile(r"blk\.(\d+)\.")
_EXPERTS = re.compile(r"\.ffn_(up|down|gate|gate_up)_(ch|)exps")  # LLM_FFN_EXPS_REGEX, common/common.h
_EMBEDDING, _TABLE, _HEAD = "token_embd.weight", "per_layer_token_embd.weight", "output.weight"
_OUTPUT = "output"  # all others after the last layer
# Tensors without a layer but "repeating" (src/models/gemma4.cpp:61-62, 87) go with the first, or first global, layer.
_OF_FIRST_LAYER = ("per_layer_model_proj.weight", "per_layer_proj_norm.weight")
_OF_FIRST_GLOBAL_LAYER = "rope_freqs.weight"


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
    pattern, last = architecture.sliding_pattern, architecture.layers - 1
    first_global = pattern.index(False) if False in pattern else 0
    placed: dict[int | str, list[TensorInfo]] = defaultdict(list)
    types = Counter[str]()  # bytes of the layers
    for tensor in header.tensors:
        layer = _layer_of(tensor.name, first_global)
        if layer is not None:
            placed[min(layer, last)].append(tensor)
            types[tensor.type.name] += tensor.size_bytes
        else:
            placed[tensor.name if tensor.name in (_EMBEDDING, _TABLE, _HEAD) else _OUTPUT].append(tensor)
    return ModelShape(
        name=name,
        architecture=architecture,
        layers=tuple(_layer_weights(placed[layer]) for layer in range(architecture.layers)),
        embedding_bytes=_total(placed[_EMBEDDING]),
        table_bytes=_total(placed[_TABLE]),
        output_bytes=_total(placed[_OUTPUT]) + _total(placed[_HEAD]),
        file_bytes=file_bytes,
        projector_bytes=projector_bytes,
        drafter_bytes=drafter_bytes,
        is_exact=True,
        digest=digest,
        weight_type=types.most_common(1)[0][0],
        head_type=next((tensor.type.name for tensor in (*placed[_HEAD], *placed[_EMBEDDING])), ""),
        has_tied_head=not placed[_HEAD],
    )


def _layer_of(name: str, first_global: int) -> int | None:
    """Return the layer that a tensor goes with; None if it goes with none."""
    match = _LAYER.match(name)
    if match is not None:
        return int(match[1])
    if name in _OF_FIRST_LAYER:
        return 0
    return first_global if name == _OF_FIRST_GLOBAL_LAYER else None


def _layer_weights(tensors: Sequence[TensorInfo]) -> LayerWeights:
    experts = _total(tensor for tensor in tensors if _EXPERTS.search(tensor.name))
    return LayerWeights(_total(tensors) - experts, experts, max(map(padded_bytes, tensors), default=0))


def padded_bytes(tensor: TensorInfo) -> int:
    """Return a tensor's size in a CPU buffer."""
    return -(-tensor.size_bytes // TENSOR_ALIGNMENT) * TENSOR_ALIGNMENT


def _total(tensors: Iterable[TensorInfo]) -> int:
    return sum(map(padded_bytes, tensors))
