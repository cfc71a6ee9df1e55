"""Would llama.cpp load this file? Found out from the header alone, in a hundredth of a second plus the vocabulary.

llama.cpp answers many broken files politely, but others end its process: GGML_ASSERT, a null pointer, an endless
loop. Each of those that was found, by loading mutated files, has its check here and its test in
tests/models/gguf/test_loadable.py; the line in llama.cpp (commit 0c1e57098) stands beside the check.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from g4run.errors import InvalidModelFile
from g4run.models.gguf.architecture import (
    MAX_LENGTH,
    Gemma4,
    array_length,
    inspect_architecture,
    integer,
    number,
)
from g4run.models.gguf.header import GgufHeader, LongArray, TensorInfo
from g4run.models.gguf.key_types import check_key_types

# No matrix product exists for these (null in ggml-cpu.c's type_traits_cpu), or no row look-up (ops.cpp:1118).
UNUSABLE_TYPES = frozenset({"I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K"})
MAPPED_ALIGNMENT = 32  # TENSOR_ALIGNMENT, ggml-impl.h
ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")  # src/llama-model.cpp, LLAMA_ROPE_SCALING_TYPES


def check_loadable(header: GgufHeader) -> None:
    """Raise InvalidModelFile, with what is wrong, unless llama.cpp can load and run this Gemma 4."""
    model = inspect_architecture(header)
    _check_split(header)
    _check_numbers(header)
    _check_attention(header, model)
    _check_sharing(model)
    _check_experts(header, model)
    check_key_types(header)
    _check_tensors(header, model)
    _check_places(header)
    _check_vocabulary(header, model.vocabulary_size)


def _check_split(header: GgufHeader) -> None:
    """Parts are checked where they are put together (shards.py); one without the others is no model."""
    split = header.split
    if split and not header.parts:
        raise InvalidModelFile(
            f"this is part {split.index + 1} of a model in {split.count} files, without the others",
            f"the parts lie together, under names that end in -00001-of-{split.count:05d}.gguf and so on",
        )


def _check_numbers(header: GgufHeader) -> None:
    """Numbers that end in an assertion (a negative epsilon, ggml-cpu/ops.cpp:4132) or in logits that are no numbers."""
    if "gemma4.attention.layer_norm_rms_epsilon" not in header.metadata:
        raise InvalidModelFile("the metadata key gemma4.attention.layer_norm_rms_epsilon is missing")
    number(header, "gemma4.attention.layer_norm_rms_epsilon", 0.0)
    number(header, "gemma4.final_logit_softcapping", 0.0)
    number(header, "gemma4.rope.scaling.factor", 0.0)
    for key in ("gemma4.rope.freq_base", "gemma4.rope.freq_base_swa"):
        if number(header, key, 1.0) == 0:
            raise InvalidModelFile(f"{key} is 0")
    if header.metadata.get("gemma4.rope.scaling.type", "none") not in ROPE_SCALINGS:  # src/llama-model.cpp:1420
        raise InvalidModelFile(f"gemma4.rope.scaling.type is none of {', '.join(ROPE_SCALINGS)}")
    if header.metadata.get("gemma4.attention.causal", True) is not True:
        raise InvalidModelFile("gemma4.attention.causal is not true, as in no Gemma 4 that writes text")
    integer(header, "gemma4.nextn_predict_layers", 0, 0, default=0)  # src/llama-model.cpp:1330


def _check_attention(header: GgufHeader, model: Gemma4) -> None:
    for key, length in (("value_length", model.key_length), ("value_length_swa", model.key_length_swa)):
        if integer(header, f"gemma4.attention.{key}", 1, MAX_LENGTH) != length:
            raise InvalidModelFile(f"gemma4.attention.{key} differs from the length of the keys, {length}")
    for heads in set(model.kv_head_counts):
        if model.head_count % heads:  # ggml.c:5515
            raise InvalidModelFile(f"{model.head_count} attention heads cannot share {heads} key-value heads evenly")
    turned = integer(header, "gemma4.rope.dimension_count", 0, MAX_LENGTH, default=model.key_length)
    turned_swa = integer(header, "gemma4.rope.dimension_count_swa", 0, MAX_LENGTH, default=turned)
    _check_turned("gemma4.rope.dimension_count", turned, model.key_length)
    _check_turned("gemma4.rope.dimension_count_swa", turned_swa, model.key_length_swa)


def _check_turned(key: str, turned: int, key_length: int) -> None:
    """RoPE turns pairs within a head: ggml-cpu/ops.cpp:6355-6356, ggml.c:4305; none at all never ends."""
    if turned % 2 or not 0 < turned <= key_length:
        raise InvalidModelFile(f"{key} is {turned}, not an even number between 2 and the head's length, {key_length}")


def _check_sharing(model: Gemma4) -> None:
    """Shared layers use the cache of the last owner (global) or of the last but one (sliding).

    Source: src/llama-model.cpp:2780-2807 and src/llama-kv-cache.cpp:268.
    """
    pattern, owners = model.sliding_pattern, model.kv_layers
    if all(pattern) or not any(pattern):
        raise InvalidModelFile("gemma4.attention.sliding_window_pattern has no two kinds of layers, sliding and global")
    if owners < 2:
        raise InvalidModelFile(f"only {owners} of {model.layers} layers own a KV cache, but sharing takes at least 2")
    shared = pattern[owners:]
    if (True in shared and not pattern[owners - 2]) or (False in shared and pattern[owners - 1]):
        raise InvalidModelFile(
            f"layers {owners} and up share the KV caches of layers {owners - 2} (sliding) and {owners - 1} (global), "
            "but those are not of these kinds"
        )


def _check_experts(header: GgufHeader, model: Gemma4) -> None:
    """Expert groups, which no Gemma 4 has: src/llama-model.cpp:1361-1374."""
    groups = integer(header, "gemma4.expert_group_count", 0, 1, default=0)
    if groups >= max(model.expert_count, 1):
        raise InvalidModelFile(f"gemma4.expert_group_count is {groups}, with {model.expert_count} experts")


@dataclass(frozen=True, slots=True)
class _Expected:
    """A tensor that llama.cpp asks for; one-dimensional ones are F32 (norms and scales: ggml-cpu/binary-ops.cpp)."""

    name: str
    shape: tuple[int, ...]
    is_required: bool = True


def _check_tensors(header: GgufHeader, model: Gemma4) -> None:
    if not header.tensors:
        raise InvalidModelFile("the file has no weights, perhaps only a vocabulary", "give the model's own file")
    tensors = {tensor.name: tensor for tensor in header.tensors}
    for tensor in header.tensors:
        if tensor.type.name in UNUSABLE_TYPES:
            raise InvalidModelFile(f"tensor {tensor.name} is of type {tensor.type.name}, which holds no weights")
    for expected in _expected_tensors(model, frozenset(tensors)):
        found = tensors.get(expected.name)
        if found:
            _check_tensor(found, expected)
        elif expected.is_required:
            raise InvalidModelFile(f"tensor {expected.name} is missing")


def _check_tensor(tensor: TensorInfo, expected: _Expected) -> None:
    if _trimmed(tensor.shape) != _trimmed(expected.shape):
        raise InvalidModelFile(
            f"tensor {tensor.name} has the shape {tensor.shape}, but the metadata ask for {expected.shape}"
        )
    if len(expected.shape) == 1 and tensor.type.name != "F32":
        raise InvalidModelFile(f"tensor {tensor.name} is of type {tensor.type.name}, but llama.cpp needs F32 there")


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without the ones at its end, which mean nothing."""
    length = max((index + 1 for index, size in enumerate(shape) if size != 1), default=0)
    return shape[:length]


def _expected_tensors(model: Gemma4, present: frozenset[str]) -> Iterator[_Expected]:
    """Every tensor that src/models/gemma4.cpp creates; `present` decides between equivalent layouts."""
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


def _check_places(header: GgufHeader) -> None:
    """Tensors follow each other, each padded to the alignment: ggml/src/gguf.cpp, gguf_init_from_reader.

    Where a file is mapped, they are used in place, on which ggml-backend.cpp:2527 asserts TENSOR_ALIGNMENT.
    """
    for file in header.parts or (header,):
        offset = 0
        if file.alignment < MAPPED_ALIGNMENT:
            raise InvalidModelFile(f"general.alignment is {file.alignment}, but llama.cpp needs {MAPPED_ALIGNMENT}")
        for tensor in file.tensors:
            if tensor.offset != offset:
                raise InvalidModelFile(
                    f"tensor {tensor.name} lies at byte {tensor.offset} of the data, "
                    f"not behind its neighbour at {offset}"
                )
            offset += -(-tensor.size_bytes // file.alignment) * file.alignment


def _check_vocabulary(header: GgufHeader, size: int) -> None:
    """The tokenizer of src/llama-vocab.cpp: equally long lists (2470-2500), a BOS (588), texts that differ (2544)."""
    model = header.metadata.get("tokenizer.ggml.model")
    if model != "gemma4":
        raise InvalidModelFile(f"the tokenizer is {model!r}, not 'gemma4'", "get a file of a newer conversion")
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
    """The tokens' texts, with the names that llama.cpp gives to empty ones."""
    value = header.metadata["tokenizer.ggml.tokens"]
    if isinstance(value, LongArray):
        texts = value.strings()
    elif isinstance(value, tuple):
        texts = tuple(str(text).encode() for text in value)
    else:
        texts = ()
    return [text or f"[EMPTY_{index}]".encode() for index, text in enumerate(texts)]
