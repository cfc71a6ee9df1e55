"""Check from the header alone whether llama.cpp can load a file: 10 ms plus the vocabulary.

llama.cpp reports an error for many broken files, but others crash or hang it: GGML_ASSERT, a null pointer, an endless
loop. Each case that mutated files revealed has a check here and a test in tests/models/gguf/test_loadable.py; each
check cites the line in llama.cpp (commit 0c1e57098).
"""

from collections.abc import Mapping

from g4run.errors import InvalidModelFile
from g4run.models.gguf.architecture import MAX_LENGTH, array_length, inspect_architecture, integer, number
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.header import GgufHeader, LongArray, TensorInfo
from g4run.models.gguf.types import ValueType

# These have no matrix product (null in ggml-cpu.c's type_traits_cpu), or no row look-up (ops.cpp:1118).
UNUSABLE_TYPES = frozenset({"I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K"})
OPTIONAL = frozenset({"attn_v.weight", "layer_output_scale.weight", "ffn_down_exps.scale"})  # of a layer's tensors
KEYS = frozenset({"attn_k.weight", "attn_k_norm.weight"})  # also optional in layers that share another one's KV cache
MAPPED_ALIGNMENT = 32  # TENSOR_ALIGNMENT, ggml-impl.h
# Values that are not read here, apart from those that `integer` and `number` check.
KEY_TYPES = {
    "general.alignment": ValueType.UINT32,
    "general.file_type": ValueType.UINT32,
    "tokenizer.ggml.eos_token_id": ValueType.UINT32,
    "tokenizer.ggml.mask_token_id": ValueType.UINT32,
    "tokenizer.ggml.padding_token_id": ValueType.UINT32,
    "tokenizer.ggml.unknown_token_id": ValueType.UINT32,
    "tokenizer.ggml.add_bos_token": ValueType.BOOL,
    "tokenizer.ggml.add_space_prefix": ValueType.BOOL,
}
ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")  # src/llama-model.cpp, LLAMA_ROPE_SCALING_TYPES


def check_loadable(header: GgufHeader) -> Gemma4:
    """Return the dimensions of a Gemma 4 model. Raises InvalidModelFile unless llama.cpp can load and run it."""
    model = inspect_architecture(header)
    _check_split(header)
    _check_numbers(header)
    _check_attention(header, model)
    _check_shared_layers(model)
    _check_experts(header, model)
    for key, wanted in KEY_TYPES.items():
        header.check_type(key, wanted)
    _check_tensors(header, model)
    _check_offsets(header)
    _check_vocabulary(header, model.vocabulary_size)
    return model


def _check_split(header: GgufHeader) -> None:
    """Refuse a part without the others; shards.py checks parts that are together."""
    count, index = header.metadata.get("split.count"), header.metadata.get("split.no", 0)
    if isinstance(count, int) and isinstance(index, int) and count > 1 and not header.parts:
        raise InvalidModelFile(
            f"this is part {index + 1} of a model in {count} files, and the others are missing",
            f"put all parts in one directory, under names that end in -00001-of-{count:05d}.gguf and so on",
        )


def _check_numbers(header: GgufHeader) -> None:
    """Refuse numbers that fail an assertion (a negative epsilon, ggml-cpu/ops.cpp:4132) or lead to NaN logits."""
    if "gemma4.attention.layer_norm_rms_epsilon" not in header.metadata:
        raise InvalidModelFile("the metadata key gemma4.attention.layer_norm_rms_epsilon is missing")
    number(header, "gemma4.attention.layer_norm_rms_epsilon", 0.0)
    number(header, "gemma4.final_logit_softcapping", 0.0)
    number(header, "gemma4.rope.scaling.factor", 0.0)
    for key in ("gemma4.rope.freq_base", "gemma4.rope.freq_base_swa"):
        if number(header, key, 1.0) == 0:
            raise InvalidModelFile(f"{key} is 0")
    if header.metadata.get("gemma4.rope.scaling.type", "none") not in ROPE_SCALINGS:  # src/llama-model.cpp:1420
        raise InvalidModelFile(f"gemma4.rope.scaling.type is not one of {', '.join(ROPE_SCALINGS)}")
    if header.metadata.get("gemma4.attention.causal", True) is not True:
        raise InvalidModelFile("gemma4.attention.causal is not true, so this model does not generate text")
    integer(header, "gemma4.nextn_predict_layers", 0, 0, default=0)  # src/llama-model.cpp:1330


def _check_attention(header: GgufHeader, model: Gemma4) -> None:
    for key, length in (("value_length", model.key_length), ("value_length_swa", model.key_length_swa)):
        if integer(header, f"gemma4.attention.{key}", 1, MAX_LENGTH) != length:
            raise InvalidModelFile(f"gemma4.attention.{key} differs from the key length, {length}")
    for heads in set(model.kv_head_counts):
        if model.head_count % heads:  # ggml.c:5515
            raise InvalidModelFile(f"{model.head_count} attention heads cannot share {heads} key-value heads evenly")
    rotated = integer(header, "gemma4.rope.dimension_count", 0, MAX_LENGTH, default=model.key_length)
    rotated_swa = integer(header, "gemma4.rope.dimension_count_swa", 0, MAX_LENGTH, default=rotated)
    _check_rope_dimensions("gemma4.rope.dimension_count", rotated, model.key_length)
    _check_rope_dimensions("gemma4.rope.dimension_count_swa", rotated_swa, model.key_length_swa)


def _check_rope_dimensions(key: str, rotated: int, key_length: int) -> None:
    """RoPE rotates pairs within a head: ggml-cpu/ops.cpp:6355-6356, ggml.c:4305; with 0 it loops forever."""
    if rotated % 2 or not 0 < rotated <= key_length:
        raise InvalidModelFile(f"{key} is {rotated}, not an even number between 2 and the head length, {key_length}")


def _check_shared_layers(model: Gemma4) -> None:
    """Check that sharing layers find a cache of their kind: the last owner's (global) or the last but one's (sliding).

    Source: src/llama-model.cpp:2780-2807 and src/llama-kv-cache.cpp:268.
    """
    pattern, owners = model.sliding_pattern, model.kv_layers
    if all(pattern) or not any(pattern):
        raise InvalidModelFile("gemma4.attention.sliding_window_pattern must have both sliding and global layers")
    if owners < 2:
        raise InvalidModelFile(f"only {owners} of {model.layers} layers own a KV cache, but at least 2 must")
    shared = pattern[owners:]
    if (True in shared and not pattern[owners - 2]) or (False in shared and pattern[owners - 1]):
        raise InvalidModelFile(
            f"layers {owners} and up share the KV caches of layers {owners - 2} (sliding) and {owners - 1} (global), "
            "but those are of the other kind"
        )


def _check_experts(header: GgufHeader, model: Gemma4) -> None:
    """Refuse expert groups, which no Gemma 4 has: src/llama-model.cpp:1361-1374."""
    groups = integer(header, "gemma4.expert_group_count", 0, 1, default=0)
    if groups >= max(model.expert_count, 1):
        raise InvalidModelFile(f"gemma4.expert_group_count is {groups}, with {model.expert_count} experts")


def _check_tensors(header: GgufHeader, model: Gemma4) -> None:
    """Check every tensor that src/models/gemma4.cpp creates."""
    if not header.tensors:
        raise InvalidModelFile("the file has no weights, perhaps only a vocabulary", "give the model file")
    tensors = {tensor.name: tensor for tensor in header.tensors}
    for tensor in header.tensors:
        if tensor.type.name in UNUSABLE_TYPES:
            raise InvalidModelFile(f"tensor {tensor.name} is of type {tensor.type.name}, which cannot hold weights")
    _check_shapes(tensors, "", _model_shapes(model), frozenset({"output.weight"}))
    for layer in range(model.layers):
        prefix = f"blk.{layer}."
        shapes = _layer_shapes(model, layer, has_qkv=f"{prefix}attn_qkv.weight" in tensors)
        if model.expert_count:
            shapes |= _expert_shapes(model, has_gate_up=f"{prefix}ffn_gate_up_exps.weight" in tensors)
        _check_shapes(tensors, prefix, shapes, OPTIONAL if layer < model.kv_layers else OPTIONAL | KEYS)


def _check_shapes(
    tensors: Mapping[str, TensorInfo], prefix: str, shapes: Mapping[str, tuple[int, ...]], optional: frozenset[str]
) -> None:
    """Check shapes, and that one-dimensional tensors (norms, scales) are F32: ggml-cpu/binary-ops.cpp."""
    for name, shape in shapes.items():
        tensor = tensors.get(prefix + name)
        if tensor is None and name not in optional:
            raise InvalidModelFile(f"tensor {prefix}{name} is missing")
        if tensor is not None and _trimmed(tensor.shape) != _trimmed(shape):
            raise InvalidModelFile(
                f"tensor {tensor.name} has the shape {tensor.shape}, but the metadata require {shape}"
            )
        if tensor is not None and len(shape) == 1 and tensor.type.name != "F32":
            raise InvalidModelFile(f"tensor {tensor.name} is of type {tensor.type.name}, but llama.cpp needs F32")


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape without trailing ones, which are meaningless."""
    length = max((index + 1 for index, size in enumerate(shape) if size != 1), default=0)
    return shape[:length]


def _model_shapes(model: Gemma4) -> dict[str, tuple[int, ...]]:
    width, vocabulary = model.embedding_length, model.vocabulary_size
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (width, vocabulary),
        "output.weight": (width, vocabulary),
        "output_norm.weight": (width,),
        "rope_freqs.weight": (model.key_length // 2,),
    }
    if model.is_small:
        per_layer = model.per_layer_embedding_length * model.layers
        shapes["per_layer_token_embd.weight"] = (per_layer, vocabulary)
        shapes["per_layer_model_proj.weight"] = (width, per_layer)
        shapes["per_layer_proj_norm.weight"] = (model.per_layer_embedding_length,)
    return shapes


def _layer_shapes(model: Gemma4, layer: int, *, has_qkv: bool) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a layer's tensors without its experts, by name without the prefix."""
    width, inner, head = model.embedding_length, model.feed_forward_lengths[layer], model.key_length_of(layer)
    query, key = head * model.head_count, head * model.kv_head_counts[layer]
    separate = {"attn_q.weight": (width, query), "attn_k.weight": (width, key), "attn_v.weight": (width, key)}
    shapes: dict[str, tuple[int, ...]] = {
        "attn_norm.weight": (width,),
        **({"attn_qkv.weight": (width, query + 2 * key)} if has_qkv else separate),
        "attn_output.weight": (query, width),
        "attn_q_norm.weight": (head,),
        "attn_k_norm.weight": (head,),
        "post_attention_norm.weight": (width,),
        "layer_output_scale.weight": (1,),
        "ffn_norm.weight": (width,),
        "ffn_gate.weight": (width, inner),
        "ffn_up.weight": (width, inner),
        "ffn_down.weight": (inner, width),
        "post_ffw_norm.weight": (width,),
    }
    if model.is_small:
        shapes["inp_gate.weight"] = (width, model.per_layer_embedding_length)
        shapes["proj.weight"] = (model.per_layer_embedding_length, width)
        shapes["post_norm.weight"] = (width,)
    return shapes


def _expert_shapes(model: Gemma4, *, has_gate_up: bool) -> dict[str, tuple[int, ...]]:
    width, inner, experts = model.embedding_length, model.expert_feed_forward_length, model.expert_count
    separate = {"ffn_gate_exps.weight": (width, inner, experts), "ffn_up_exps.weight": (width, inner, experts)}
    return {
        "ffn_gate_inp.weight": (width, experts),
        "ffn_gate_inp.scale": (width,),
        "pre_ffw_norm_2.weight": (width,),
        "post_ffw_norm_1.weight": (width,),
        "post_ffw_norm_2.weight": (width,),
        **({"ffn_gate_up_exps.weight": (width, 2 * inner, experts)} if has_gate_up else separate),
        "ffn_down_exps.weight": (inner, width, experts),
        "ffn_down_exps.scale": (experts,),
    }


def _check_offsets(header: GgufHeader) -> None:
    """Check that tensors are contiguous, each padded to the alignment: ggml/src/gguf.cpp, gguf_init_from_reader.

    A mapped file is used in place, and ggml-backend.cpp:2527 asserts TENSOR_ALIGNMENT.
    """
    for file in header.parts or (header,):
        offset = 0
        if file.alignment < MAPPED_ALIGNMENT:
            raise InvalidModelFile(f"general.alignment is {file.alignment}, but llama.cpp needs {MAPPED_ALIGNMENT}")
        for tensor in file.tensors:
            if tensor.offset != offset:
                raise InvalidModelFile(
                    f"tensor {tensor.name} starts at byte {tensor.offset} of the data, "
                    f"but the tensor before it ends at {offset}"
                )
            offset += -(-tensor.size_bytes // file.alignment) * file.alignment


def _check_vocabulary(header: GgufHeader, size: int) -> None:
    """Check what src/llama-vocab.cpp asserts: lists of equal length (2470-2500), a BOS (588), unique texts (2544)."""
    model = header.metadata.get("tokenizer.ggml.model")
    if model != "gemma4":
        raise InvalidModelFile(f"the tokenizer is {model!r}, not 'gemma4'", "use a file from a newer conversion")
    for key in ("tokenizer.ggml.scores", "tokenizer.ggml.token_type"):
        if key in header.metadata and array_length(header, key) != size:
            raise InvalidModelFile(f"{key} has {array_length(header, key)} items, but there are {size} tokens")
    if "tokenizer.ggml.merges" not in header.metadata:
        raise InvalidModelFile("the metadata key tokenizer.ggml.merges is missing")
    integer(header, "tokenizer.ggml.bos_token_id", 0, size - 1)
    tokens = _tokens(header)
    if len(set(tokens)) < len(tokens):
        raise InvalidModelFile("two tokens of the vocabulary have the same text")


def _tokens(header: GgufHeader) -> list[bytes]:
    """Return the token texts, with the names that llama.cpp gives to empty ones."""
    value = header.metadata["tokenizer.ggml.tokens"]
    if isinstance(value, LongArray):
        texts = value.strings()
    elif isinstance(value, tuple):
        texts = tuple(str(text).encode() for text in value)
    else:
        texts = ()
    return [text or f"[EMPTY_{index}]".encode() for index, text in enumerate(texts)]
