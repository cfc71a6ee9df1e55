"""A shape's metadata, encoded: the bytes that stand after each key in the file, the value's type first.

The whole directory is a mapping from key to encoded value, so that a test can change one entry and write the file anew.
"""

import struct
from collections.abc import Sequence

from scripts.shapes.mixes import Mix
from scripts.shapes.sizes import Shape


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
