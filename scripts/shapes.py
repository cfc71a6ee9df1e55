"""Write GGUF files with the true shapes of the Gemma 4 family and no real weights.

    python scripts/shapes.py e2b Q4_K_M out.gguf [--fill sparse|random] [--seed N] [--vocabulary real-vocab.gguf]

Sparse files are a header and a hole: a few megabytes on disk, for memory planning. Random files hold valid random
blocks, for timing. Both load in llama.cpp and print the real models' parameter counts. A GGUF's whole directory of
metadata is a mapping from key to encoded value here, so a test can change one entry and write the file anew.
"""

import argparse
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

Fill = Literal["sparse", "random"]
Entries = Mapping[str, bytes]
Bytes = NDArray[np.uint8]

ALIGNMENT = 32  # GGUF's default, in bytes
VOCABULARY_SIZE = 262_144


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of one member of the family; the defaults are what all members share."""

    name: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int  # of sliding layers
    global_kv_heads: int
    window: int
    group: int  # layers in a group, of which the last attends globally
    shared_layers: int = 0
    per_layer_width: int = 0
    has_double_wide_shared_layers: bool = False
    experts: int = 0
    experts_used: int = 0
    expert_feed_forward: int = 0
    context_length: int = 262_144
    key_length: int = 512
    key_length_swa: int = 256

    def is_sliding(self, layer: int) -> bool:
        """Whether a layer sees only the sliding window."""
        return layer % self.group != self.group - 1

    def feed_forward_of(self, layer: int) -> int:
        """The width of a layer's feed-forward part."""
        is_wide = self.has_double_wide_shared_layers and layer >= self.layers - self.shared_layers
        return self.feed_forward * (2 if is_wide else 1)


SHAPES = {
    "e2b": Shape("E2B", 35, 1536, 6144, 8, 1, 1, 512, 5, 20, 256, True, context_length=131_072),
    "e4b": Shape("E4B", 42, 2560, 10_240, 8, 2, 2, 512, 6, 18, 256, context_length=131_072),
    "12b": Shape("12B", 48, 3840, 15_360, 16, 8, 1, 1024, 6),
    "26b": Shape("26B-A4B", 30, 2816, 2112, 16, 8, 2, 1024, 6, experts=128, experts_used=8, expert_feed_forward=704),
    "31b": Shape("31B", 60, 5376, 21_504, 32, 16, 4, 1024, 6),
}


# Tensors and their types


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the file's directory lists it; `shape` has the row length first."""

    name: str
    shape: tuple[int, ...]
    kind: str  # a name of GGMLQuantizationType

    @property
    def size_bytes(self) -> int:
        """How many bytes the tensor takes, padding excluded."""
        block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[self.kind]]
        return math.prod(self.shape) // int(block) * int(block_bytes)


def tensor_shapes(shape: Shape, vocabulary_size: int = VOCABULARY_SIZE) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor's name and shape, as llama.cpp's src/models/gemma4.cpp asks for them."""
    yield "token_embd.weight", (shape.width, vocabulary_size)
    if shape.per_layer_width:
        per_layer = shape.per_layer_width * shape.layers
        yield "per_layer_token_embd.weight", (per_layer, vocabulary_size)
        yield "per_layer_model_proj.weight", (shape.width, per_layer)
        yield "per_layer_proj_norm.weight", (shape.per_layer_width,)
    yield "output_norm.weight", (shape.width,)
    yield "rope_freqs.weight", (shape.key_length // 2,)
    for layer in range(shape.layers):
        for name, dimensions in _layer_shapes(shape, layer):
            yield f"blk.{layer}.{name}", dimensions


def _layer_shapes(shape: Shape, layer: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, feed_forward, experts = shape.width, shape.feed_forward_of(layer), shape.experts
    is_sliding = shape.is_sliding(layer)
    head = shape.key_length_swa if is_sliding else shape.key_length
    kv_width = head * (shape.kv_heads if is_sliding else shape.global_kv_heads)
    for norm in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
        yield f"{norm}.weight", (width,)
    yield "attn_q.weight", (width, head * shape.heads)
    yield "attn_k.weight", (width, kv_width)
    if is_sliding or shape.per_layer_width:  # the large members' global layers use K as V
        yield "attn_v.weight", (width, kv_width)
    yield "attn_output.weight", (head * shape.heads, width)
    yield "attn_q_norm.weight", (head,)
    yield "attn_k_norm.weight", (head,)
    yield "layer_output_scale.weight", (1,)
    yield "ffn_gate.weight", (width, feed_forward)
    yield "ffn_up.weight", (width, feed_forward)
    yield "ffn_down.weight", (feed_forward, width)
    if experts:
        for norm in ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"):
            yield f"{norm}.weight", (width,)
        yield "ffn_gate_inp.weight", (width, experts)
        yield "ffn_gate_inp.scale", (width,)
        yield "ffn_gate_up_exps.weight", (width, 2 * shape.expert_feed_forward, experts)
        yield "ffn_down_exps.weight", (shape.expert_feed_forward, width, experts)
        yield "ffn_down_exps.scale", (experts,)
    if shape.per_layer_width:
        yield "inp_gate.weight", (width, shape.per_layer_width)
        yield "proj.weight", (shape.per_layer_width, width)
        yield "post_norm.weight", (width,)


@dataclass(frozen=True, slots=True)
class Mix:
    """A quantization: the type of most matrices, and llama.cpp's rules for the sensitive ones.

    Rules: src/llama-quant.cpp, llama_tensor_get_type_impl. `more` goes to attn_v and ffn_down of the layers that
    matter most; `first` to attn_v of the first four layers and ffn_down of the first eighth.
    """

    file_type: int  # LLAMA_FTYPE_*
    base: str
    more: str = ""
    first: str = ""

    @property
    def embedding(self) -> str:
        """The type of the tied embeddings, which are the output matrix too."""
        return self.base if self.base in ("F16", "BF16", "Q8_0") else "Q6_K"


MIXES = {
    "F16": Mix(1, "F16"),
    "BF16": Mix(32, "BF16"),
    "Q8_0": Mix(7, "Q8_0"),
    "Q4_0": Mix(2, "Q4_0"),  # also the mix of Google's quantization-aware files
    "Q4_K_S": Mix(14, "Q4_K", first="Q5_K"),
    "Q4_K_M": Mix(15, "Q4_K", more="Q6_K"),
    "Q5_K_S": Mix(16, "Q5_K"),
    "Q5_K_M": Mix(17, "Q5_K", more="Q6_K"),
    "Q6_K": Mix(18, "Q6_K"),
}
FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}  # for rows that are not whole blocks of 256


def quantized_tensors(shape: Shape, mix: Mix, vocabulary_size: int = VOCABULARY_SIZE) -> list[Tensor]:
    """Every tensor with the type that llama.cpp's quantizer gives it."""
    listed = list(tensor_shapes(shape, vocabulary_size))
    values = [name for name, _ in listed if name.endswith("attn_v.weight")]
    return [Tensor(name, size, _kind(name, size, mix, shape.layers, values)) for name, size in listed]


def _kind(name: str, size: Sequence[int], mix: Mix, layers: int, values: list[str]) -> str:
    if len(size) == 1 or "ffn_gate_inp" in name:
        return "F32"
    if name.startswith("per_layer_model_proj"):
        return "F16" if mix.base == "F16" else "BF16"
    kind = mix.base
    if name.endswith("token_embd.weight"):
        kind = mix.embedding
    elif name in values:
        index = values.index(name)
        kind = _sensitive(mix, index, len(values), first=4)
    elif ".ffn_down" in name:
        kind = _sensitive(mix, int(name.split(".")[1]), layers, first=layers // 8)
    block, _ = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    return kind if size[0] % block == 0 else FALLBACKS[kind]


def _sensitive(mix: Mix, index: int, count: int, first: int) -> str:
    eighth = count // 8
    needs_more = index < eighth or index >= 7 * count // 8 or (index - eighth) % 3 == 2
    if mix.more and needs_more:
        return mix.more
    return mix.first if mix.first and index < first else mix.base


# Metadata: encoded values, as they stand after the key in the file


def string(text: str) -> bytes:
    """Encode a string as GGUF does: its length, then UTF-8."""
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def text_value(text: str) -> bytes:
    """Encode a value of type string."""
    return struct.pack("<I", 8) + string(text)


def int_value(number: int) -> bytes:
    """Encode a value of type uint32."""
    return struct.pack("<II", 4, number)


def float_value(number: float) -> bytes:
    """Encode a value of type float32."""
    return struct.pack("<If", 6, number)


def bool_value(flag: bool) -> bytes:
    """Encode a value of type bool."""
    return struct.pack("<I?", 7, flag)


def texts_value(texts: Sequence[str]) -> bytes:
    """Encode an array of strings."""
    return struct.pack("<IIQ", 9, 8, len(texts)) + b"".join(map(string, texts))


def ints_value(numbers: Sequence[int]) -> bytes:
    """Encode an array of int32."""
    return struct.pack(f"<IIQ{len(numbers)}i", 9, 5, len(numbers), *numbers)


def floats_value(numbers: Sequence[float]) -> bytes:
    """Encode an array of float32."""
    return struct.pack(f"<IIQ{len(numbers)}f", 9, 6, len(numbers), *numbers)


def bools_value(flags: Sequence[bool]) -> bytes:
    """Encode an array of bool."""
    return struct.pack(f"<IIQ{len(flags)}?", 9, 7, len(flags), *flags)


def metadata(shape: Shape, mix: Mix) -> dict[str, bytes]:
    """Every key that describes the model, vocabulary excepted."""
    layers = range(shape.layers)
    is_small = shape.per_layer_width > 0
    kv_heads = [shape.kv_heads if shape.is_sliding(layer) else shape.global_kv_heads for layer in layers]
    entries = {
        "general.architecture": text_value("gemma4"),
        "general.type": text_value("model"),
        "general.name": text_value(f"Gemma 4 {shape.name} shape"),
        "general.size_label": text_value(shape.name),
        "general.file_type": int_value(mix.file_type),
        "general.quantization_version": int_value(2),
        "general.sampling.top_k": int_value(64),
        "general.sampling.top_p": float_value(0.95),
        "general.sampling.temp": float_value(1.0),
        "gemma4.block_count": int_value(shape.layers),
        "gemma4.context_length": int_value(shape.context_length),
        "gemma4.embedding_length": int_value(shape.width),
        "gemma4.feed_forward_length": int_value(shape.feed_forward),
        "gemma4.attention.head_count": int_value(shape.heads),
        "gemma4.attention.head_count_kv": int_value(shape.kv_heads) if is_small else ints_value(kv_heads),
        "gemma4.attention.key_length": int_value(shape.key_length),
        "gemma4.attention.value_length": int_value(shape.key_length),
        "gemma4.attention.key_length_swa": int_value(shape.key_length_swa),
        "gemma4.attention.value_length_swa": int_value(shape.key_length_swa),
        "gemma4.attention.layer_norm_rms_epsilon": float_value(1e-6),
        "gemma4.attention.sliding_window": int_value(shape.window),
        "gemma4.attention.sliding_window_pattern": bools_value([shape.is_sliding(layer) for layer in layers]),
        "gemma4.attention.shared_kv_layers": int_value(shape.shared_layers),
        "gemma4.embedding_length_per_layer_input": int_value(shape.per_layer_width),
        "gemma4.final_logit_softcapping": float_value(30.0),
        "gemma4.rope.freq_base": float_value(1e6),
        "gemma4.rope.freq_base_swa": float_value(1e4),
        "gemma4.rope.dimension_count": int_value(shape.key_length),
        "gemma4.rope.dimension_count_swa": int_value(shape.key_length_swa),
    }
    if shape.has_double_wide_shared_layers:
        entries["gemma4.feed_forward_length"] = ints_value([shape.feed_forward_of(layer) for layer in layers])
    if shape.experts:
        entries["gemma4.expert_count"] = int_value(shape.experts)
        entries["gemma4.expert_used_count"] = int_value(shape.experts_used)
        entries["gemma4.expert_feed_forward_length"] = int_value(shape.expert_feed_forward)
    return entries


# Vocabularies

CONTROL, USER_DEFINED, BYTE = 3, 4, 6  # llama_token_type
SPECIAL_TOKENS = {
    **dict(enumerate(("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"))),
    46: "<|tool>",
    47: "<tool|>",
    48: "<|tool_call>",
    49: "<tool_call|>",
    50: "<|tool_response>",
    51: "<tool_response|>",
    52: '<|"|>',
    98: "<|think|>",
    100: "<|channel>",
    101: "<channel|>",
    105: "<|turn>",
    106: "<turn|>",
    255_999: "<|image>",
    256_000: "<|audio>",
    258_880: "<|image|>",
    258_881: "<|audio|>",
    258_882: "<image|>",
    258_883: "<audio|>",
    258_884: "<|video|>",
}
SHOWN_TOKENS = (48, 49, 50, 51, 52, 100, 101)  # printed even where special tokens are not
FIRST_NEWLINE, FIRST_BYTE, FIRST_TEXT = 107, 238, 494  # ids, as in the real vocabulary


def synthetic_vocabulary(size: int = VOCABULARY_SIZE) -> dict[str, bytes]:
    """The real special tokens and bytes at their real ids, then characters, pairs of letters, and made-up words."""
    letters = "etaoinshrdlcumwfgypbvkjxqz"
    pairs = [(first, second) for first in "▁" + letters for second in letters]
    characters = ["▁", *map(chr, range(33, 127)), *map(chr, range(0xA1, 0x180))]
    words = [*characters, *(first + second for first, second in pairs)]
    tokens = [f"<unused{index}>" for index in range(FIRST_TEXT)] + words
    tokens += [f"▁w{index}" for index in range(len(tokens), size)]
    kinds = [1] * len(tokens)
    for length in range(1, 32):
        tokens[FIRST_NEWLINE + length - 1] = "\n" * length
    for byte in range(256):
        tokens[FIRST_BYTE + byte], kinds[FIRST_BYTE + byte] = f"<0x{byte:02X}>", BYTE
    for index, text in SPECIAL_TOKENS.items():
        if index < len(tokens):
            tokens[index], kinds[index] = text, USER_DEFINED if index in SHOWN_TOKENS else CONTROL
    return {
        "tokenizer.ggml.model": text_value("gemma4"),
        "tokenizer.ggml.tokens": texts_value(tokens),
        "tokenizer.ggml.scores": floats_value([-1000.0] * len(tokens)),
        "tokenizer.ggml.token_type": ints_value(kinds),
        "tokenizer.ggml.merges": texts_value([f"{first} {second}" for first, second in pairs]),
        "tokenizer.ggml.bos_token_id": int_value(2),
        "tokenizer.ggml.eos_token_id": int_value(1),
        "tokenizer.ggml.unknown_token_id": int_value(3),
        "tokenizer.ggml.padding_token_id": int_value(0),
        "tokenizer.ggml.mask_token_id": int_value(4),
        "tokenizer.ggml.add_space_prefix": bool_value(False),
        "tokenizer.ggml.add_bos_token": bool_value(True),
    }


def copied_vocabulary(path: Path) -> dict[str, bytes]:
    """The tokenizer's entries of another GGUF file, byte for byte."""
    data = path.read_bytes() + bytes(16)  # room for the widest look ahead
    _, _, _, count = struct.unpack_from("<4sIQQ", data)
    entries, position = {}, 24
    for _ in range(count):
        start = _after_string(data, position)
        key, position = data[position + 8 : start].decode(), _after_value(data, start)
        if key.startswith("tokenizer."):
            entries[key] = data[start:position]
    return entries


WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of a scalar, by value type


def _after_string(data: bytes, position: int) -> int:
    return position + 8 + int.from_bytes(data[position : position + 8], "little")


def _after_value(data: bytes, position: int) -> int:
    kind, item, count = struct.unpack_from("<IIQ", data, position)
    if kind == 8:
        return _after_string(data, position + 4)
    if kind != 9:
        return position + 4 + WIDTHS[kind]
    position += 16
    if item != 8:
        return position + WIDTHS[item] * int(count)
    for _ in range(count):
        position = _after_string(data, position)
    return position


# Weights: random blocks whose values spread about SPREAD around zero

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


# The file


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def header_bytes(entries: Entries, tensors: Iterable[Tensor]) -> bytes:
    """Everything before the tensors' data, padding included."""
    listed, offset, parts = list(tensors), 0, []
    for tensor in listed:
        rank = len(tensor.shape)
        kind = GGMLQuantizationType[tensor.kind]
        parts.append(string(tensor.name) + struct.pack(f"<I{rank}QIQ", rank, *tensor.shape, kind, offset))
        offset += _padded(tensor.size_bytes)
    start = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(entries))
    header = start + b"".join(string(key) + value for key, value in entries.items()) + b"".join(parts)
    return header.ljust(_padded(len(header)), b"\0")


def write_gguf(path: Path, entries: Entries, tensors: Sequence[Tensor], fill: Fill, seed: int = 0) -> None:
    """Write a file of these entries and tensors; only rope_freqs has its true values."""
    weights = RandomWeights(seed)
    with path.open("wb") as file:
        offset = file.write(header_bytes(entries, tensors))
        for tensor in tensors:
            file.seek(offset)
            if tensor.name == "rope_freqs.weight":
                file.write(rope_frequencies(2 * tensor.shape[0]).tobytes())
            elif fill == "random":
                _write_all(file, weights.chunks(tensor))
            offset += _padded(tensor.size_bytes)
        file.truncate(offset)


def _write_all(file: BinaryIO, chunks: Iterable[Bytes]) -> None:
    for chunk in chunks:
        file.write(chunk.data)


def write_shape(
    size: str, quantization: str, path: Path, fill: Fill = "sparse", seed: int = 0, vocabulary: Path | None = None
) -> None:
    """Write one member of the family, with a synthetic vocabulary unless a file with the real one is given."""
    shape, mix = SHAPES[size], MIXES[quantization]
    tokens = copied_vocabulary(vocabulary) if vocabulary else synthetic_vocabulary()
    write_gguf(path, metadata(shape, mix) | tokens, quantized_tensors(shape, mix), fill, seed)


def main() -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(description="Write a GGUF file with the true shape of a Gemma 4 model.")
    parser.add_argument("size", choices=SHAPES)
    parser.add_argument("quantization", choices=MIXES)
    parser.add_argument("path", type=Path)
    parser.add_argument("--fill", choices=("sparse", "random"), default="sparse")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vocabulary", type=Path, help="a GGUF file whose tokenizer is copied")
    given = parser.parse_args()
    write_shape(given.size, given.quantization, given.path, given.fill, given.seed, given.vocabulary)


if __name__ == "__main__":
    main()
