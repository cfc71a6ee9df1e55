"""Check from the header alone whether llama.cpp can load a file: 10 ms plus the vocabulary.

llama.cpp reports an error for many broken files, but others crash or hang it: GGML_ASSERT, a null pointer, an endless
loop. Each case that mutated files revealed has a check here and a test in tests/models/gguf/test_loadable.py; each
check cites the line in llama.cpp (commit 0c1e57098).
"""

from collections.abc import Iterator

import msgspec

from g4run.errors import InvalidModelFile
from g4run.models.gguf.architecture import MAX_LENGTH, array_length, inspect_architecture, integer, number
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.header import GgufHeader, LongArray, TensorInfo
from g4run.models.gguf.types import ValueType

# These have no matrix product (null in ggml-cpu.c's type_traits_cpu), or no row look-up (ops.cpp:1118).
UNUSABLE_TYPES = frozenset({"I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K"})
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


class _Expected(msgspec.Struct, frozen=True):
    """A tensor that llama.cpp looks up; one-dimensional ones must be F32 (norms, scales: ggml-cpu/binary-ops.cpp)."""

    name: str
    shape: tuple[int, ...]
    is_required: bool = True


def _check_tensors(header: GgufHeader, model: Gemma4) -> None:
    if not header.tensors:
        raise InvalidModelFile("the file has no weights, perhaps only a vocabulary", "give the model file")
    tensors = {tensor.name: tensor for tensor in header.tensors}
    for tensor in header.tensors:
        if tensor.type.name in UNUSABLE_TYPES:
            raise InvalidModelFile(f"tensor {tensor.name} is of type {tensor.type.name}, which cannot hold weights")
    for expected in _expected_tensors(model, frozenset(tensors)):
        found = tensors.get(expected.name)
        if found:
            _check_tensor(found, expected)
        elif expected.is_required:
            raise InvalidModelFile(f"tensor {expected.name} is missing")


def _check_tensor(tensor: TensorInfo, expected: _Expected) -> None:
    if _trimmed(tensor.shape) != _trimmed(expected.shape):
        raise InvalidModelFile(
            f"tensor {tensor.name} has the shape {tensor.shape}, but the metadata require {expected.shape}"
        )
    if len(expected.shape) == 1 and tensor.type.name != "F32":
        raise InvalidModelFile(f"tensor {tensor.name} is of type {tensor.type.name}, but llama.cpp needs F32")


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape without trailing ones, which are meaningless."""
    length = max((index + 1 for index, size in enumerate(shape) if size != 1), default=0)
    return shape[:length]


def _expected_tensors(model: Gemma4, present: frozenset[str]) -> Iterator[_Expected]:
    """Yield every tensor that src/models/gemma4.cpp creates; `present` decides between equivalent layouts."""
    width, vocabulary = model.embedding_length, model.vocabulary_size
    yield _Expected("token_embd.weight", (width, vocabulary))
    yield _Expected("output.weight", (width, vocabulary), is_required=False)
    yield _Expected("output_norm.weight", (width,))
    yield _Expected("rope_freqs.weight", (model.key_length // 2,))
    if model.is_small:
        per_layer = model.per_layer_embedding_length * model.layers
        yield _Expected("per_layer_token_embd.weight", (per_layer, vocabulary))
        yield _Expected("per_layer_model_proj.weight", (width, per_layer))
        yield _Expected("per_layer_proj_norm.weight", (model.per_layer_embedding_length,))
    for layer in range(model.layers):
        yield from _attention_tensors(model, layer, present)
        yield from _feed_forward_tensors(model, layer)
        if model.expert_count:
            yield from _expert_tensors(model, f"blk.{layer}.", present)
        if model.is_small:
            yield from _per_layer_tensors(model, f"blk.{layer}.")


def _attention_tensors(model: Gemma4, layer: int, present: frozenset[str]) -> Iterator[_Expected]:
    prefix, width, head = f"blk.{layer}.", model.embedding_length, model.key_length_of(layer)
    query, key = head * model.head_count, head * model.kv_head_counts[layer]
    owns_cache = layer < model.kv_layers
    yield _Expected(prefix + "attn_norm.weight", (width,))
    if prefix + "attn_qkv.weight" in present:
        yield _Expected(prefix + "attn_qkv.weight", (width, query + 2 * key))
    else:
        yield _Expected(prefix + "attn_q.weight", (width, query))
        yield _Expected(prefix + "attn_k.weight", (width, key), owns_cache)
        yield _Expected(prefix + "attn_v.weight", (width, key), is_required=False)
    yield _Expected(prefix + "attn_output.weight", (query, width))
    yield _Expected(prefix + "attn_q_norm.weight", (head,))
    yield _Expected(prefix + "attn_k_norm.weight", (head,), owns_cache)
    yield _Expected(prefix + "post_attention_norm.weight", (width,))
    yield _Expected(prefix + "layer_output_scale.weight", (1,), is_required=False)


def _feed_forward_tensors(model: Gemma4, layer: int) -> Iterator[_Expected]:
    prefix, width, inner = f"blk.{layer}.", model.embedding_length, model.feed_forward_lengths[layer]
    yield _Expected(prefix + "ffn_norm.weight", (width,))
    yield _Expected(prefix + "ffn_gate.weight", (width, inner))
    yield _Expected(prefix + "ffn_up.weight", (width, inner))
    yield _Expected(prefix + "ffn_down.weight", (inner, width))
    yield _Expected(prefix + "post_ffw_norm.weight", (width,))


def _expert_tensors(model: Gemma4, prefix: str, present: frozenset[str]) -> Iterator[_Expected]:
    width, inner, experts = model.embedding_length, model.expert_feed_forward_length, model.expert_count
    yield _Expected(prefix + "ffn_gate_inp.weight", (width, experts))
    for name in ("ffn_gate_inp.scale", "pre_ffw_norm_2.weight", "post_ffw_norm_1.weight", "post_ffw_norm_2.weight"):
        yield _Expected(prefix + name, (width,))
    if prefix + "ffn_gate_up_exps.weight" in present:
        yield _Expected(prefix + "ffn_gate_up_exps.weight", (width, 2 * inner, experts))
    else:
        yield _Expected(prefix + "ffn_gate_exps.weight", (width, inner, experts))
        yield _Expected(prefix + "ffn_up_exps.weight", (width, inner, experts))
    yield _Expected(prefix + "ffn_down_exps.weight", (inner, width, experts))
    yield _Expected(prefix + "ffn_down_exps.scale", (experts,), is_required=False)


def _per_layer_tensors(model: Gemma4, prefix: str) -> Iterator[_Expected]:
    width, inner = model.embedding_length, model.per_layer_embedding_length
    yield _Expected(prefix + "inp_gate.weight", (width, inner))
    yield _Expected(prefix + "proj.weight", (inner, width))
    yield _Expected(prefix + "post_norm.weight", (width,))


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
