"""Read the dimensions of a Gemma 4 model from GGUF metadata.

Keys: src/llama-arch.cpp, llama_model_base::load_hparams and src/models/gemma4.cpp of llama.cpp.
"""

import math
from typing import TypeGuard

from g4run.errors import InvalidModelFile
from g4run.models.gguf.dimensions import Gemma4
from g4run.models.gguf.header import GgufHeader, LongArray, MetadataValue
from g4run.models.gguf.types import ValueType

ARCHITECTURE = "gemma4"
MAX_LAYERS = 512  # LLAMA_MAX_LAYERS
MAX_EXPERTS = 1024  # LLAMA_MAX_EXPERTS
MAX_LENGTH = 1 << 24  # of one dimension; the largest real one is 262,144
MAX_CONTEXT = 1 << 30
MAX_LABEL_LENGTH = 40  # characters, because labels end up in lists and records; publishers write "26B-A4B"

SIZE_LABELS = {
    (35, 1536): "E2B",
    (42, 2560): "E4B",
    (48, 3840): "12B",
    (30, 2816): "26B A4B",
    (60, 5376): "31B",
}


def inspect_architecture(header: GgufHeader) -> Gemma4:
    """Read the dimensions of a Gemma 4 model from its header.

    Raises InvalidModelFile for another architecture, and for keys that are missing or invalid on their own.
    """
    _check_architecture(header)
    layers = integer(header, "gemma4.block_count", 1, MAX_LAYERS)
    width = integer(header, "gemma4.embedding_length", 1, MAX_LENGTH)
    experts = integer(header, "gemma4.expert_count", 0, MAX_EXPERTS, default=0)
    used_key = "gemma4.expert_used_count"
    return Gemma4(
        size_label=_size_label(header, layers, width),
        parameters=header.parameters,
        layers=layers,
        embedding_length=width,
        feed_forward_lengths=integers(header, "gemma4.feed_forward_length", layers, MAX_LENGTH),
        head_count=_same_integer(header, "gemma4.attention.head_count", layers, MAX_LENGTH),
        kv_head_counts=integers(header, "gemma4.attention.head_count_kv", layers, MAX_LENGTH),
        key_length=integer(header, "gemma4.attention.key_length", 1, MAX_LENGTH),
        key_length_swa=integer(header, "gemma4.attention.key_length_swa", 1, MAX_LENGTH),
        sliding_window=integer(header, "gemma4.attention.sliding_window", 1, MAX_LENGTH),
        sliding_pattern=_sliding_pattern(header, layers),
        shared_kv_layers=integer(header, "gemma4.attention.shared_kv_layers", 0, layers - 1, default=0),
        per_layer_embedding_length=integer(header, "gemma4.embedding_length_per_layer_input", 0, MAX_LENGTH),
        expert_count=experts,
        expert_used_count=(
            _same_integer(header, used_key, layers, experts) if experts else integer(header, used_key, 0, 0, default=0)
        ),
        expert_feed_forward_length=(
            integers(header, "gemma4.expert_feed_forward_length", layers, MAX_LENGTH)[0] if experts else 0
        ),
        context_length=integer(header, "gemma4.context_length", 1, MAX_CONTEXT),
        vocabulary_size=array_length(header, "tokenizer.ggml.tokens"),
        has_thinking=_has_thinking(header),
    )


def _check_architecture(header: GgufHeader) -> None:
    name = header.metadata.get("general.architecture")
    if name == ARCHITECTURE:
        return
    if name == "clip":
        raise InvalidModelFile(
            "this is a projector (architecture clip), which adds vision or audio to a model and cannot run alone",
            "give the model file, whose name does not start with mmproj",
        )
    if name in ("gemma4-assistant", "gemma4_assistant"):
        raise InvalidModelFile(
            f"this is a drafter (architecture {name}), which speeds up a Gemma 4 model and cannot run alone",
            "give the model file, whose name does not start with mtp",
        )
    if name is None:
        raise InvalidModelFile("the file does not name its architecture: general.architecture is missing")
    raise InvalidModelFile(f"this is a model of architecture {name!r}, but g4run runs only Gemma 4")


def integer(header: GgufHeader, key: str, minimum: int, maximum: int, default: int | None = None) -> int:
    """Return a whole number. Raises InvalidModelFile if it is missing, has another type, or is out of range."""
    value = header.metadata.get(key, default)
    if not _is_integer(value):
        raise _missing_or_wrong(header, key, "a whole number")
    if not minimum <= value <= maximum:
        raise InvalidModelFile(f"{key} is {value}, not between {minimum} and {maximum}")
    header.check_type(key, ValueType.UINT32)
    return value


def integers(header: GgufHeader, key: str, layers: int, maximum: int) -> tuple[int, ...]:
    """Return one positive number per layer; the file has an array, or one number for all layers."""
    value = header.metadata.get(key)
    if not isinstance(value, tuple):
        return (integer(header, key, 1, maximum),) * layers
    numbers = tuple(number for number in value if _is_integer(number) and 1 <= number <= maximum)
    if len(value) != layers:
        raise InvalidModelFile(f"{key} has {len(value)} items, but the model has {layers} layers")
    if len(numbers) != layers:
        raise InvalidModelFile(f"{key} holds something other than numbers between 1 and {maximum}")
    return numbers


def number(header: GgufHeader, key: str, default: float) -> float:
    """Return a finite number that is not negative."""
    value = header.metadata.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _missing_or_wrong(header, key, "a number")
    if not math.isfinite(value) or value < 0:
        raise InvalidModelFile(f"{key} is {value}, not a finite number of at least 0")
    header.check_type(key, ValueType.FLOAT32)
    return value


def array_length(header: GgufHeader, key: str) -> int:
    """Return the number of items in an array, which must exist and must not be empty."""
    value = header.metadata.get(key)
    length = value.count if isinstance(value, LongArray) else len(value) if isinstance(value, tuple) else 0
    if not length:
        raise _missing_or_wrong(header, key, "a non-empty list")
    return length


def _is_integer(value: MetadataValue | None) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _missing_or_wrong(header: GgufHeader, key: str, wanted: str) -> InvalidModelFile:
    if key not in header.metadata:
        return InvalidModelFile(f"the metadata key {key} is missing")
    return InvalidModelFile(f"{key} is not {wanted}")


def _sliding_pattern(header: GgufHeader, layers: int) -> tuple[bool, ...]:
    key = "gemma4.attention.sliding_window_pattern"
    value = header.metadata.get(key)
    if not isinstance(value, tuple) or any(isinstance(item, str) for item in value):
        raise _missing_or_wrong(header, key, "a list of booleans")
    if len(value) != layers:
        raise InvalidModelFile(f"{key} has {len(value)} items, but the model has {layers} layers")
    return tuple(bool(item) for item in value)


def _same_integer(header: GgufHeader, key: str, layers: int, maximum: int) -> int:
    """Return a positive number that is the same in all layers."""
    numbers = integers(header, key, layers, maximum)
    if len(set(numbers)) > 1:
        raise InvalidModelFile(f"{key} differs between layers, which no Gemma 4 does")
    return numbers[0]


def _has_thinking(header: GgufHeader) -> bool:
    """Every Gemma 4 can think, except fine-tunes whose chat template has no switch for it."""
    template = header.metadata.get("tokenizer.chat_template")
    return not isinstance(template, str) or "<|think|>" in template or "enable_thinking" in template


def _size_label(header: GgufHeader, layers: int, width: int) -> str:
    known = SIZE_LABELS.get((layers, width))
    if known:
        return known
    given = header.metadata.get("general.size_label")
    return given if isinstance(given, str) and 0 < len(given) <= MAX_LABEL_LENGTH else "other"
