"""The measured speeds of tests/golden/speed-calibration.csv, as values.

Each row is a published measurement with its source; `excluded` says why a row is not used. `bits_per_weight` counts
the weights read per token: 4.5 for Q4_0 including a Q6_K head, else the published file's size divided by its
parameters, or the quantization's own; in a model of another family, only the type of weights counts. `reads_head` is
no if prompt tokens were fed one at a time, which skips the head. `position` is the mean position of the generated
tokens; `prompt_depth` is where the prompt started.
`half_precision_tflops` is the vendor's figure for dense FP16 with FP32 accumulation. All values come from backends and
programs that compute like llama.cpp.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from g4run.kv_types import KvType
from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.speed.token_cost import matrix_operations
from g4run.planner.values import LayerWeights, ModelShape
from scripts.shapes.sizes import SHAPES, VOCABULARY_SIZE, Shape

ALL_TOKENS = 1 << 20  # the window of models without sliding ones


def _other(name: str, layers: int, width: int, feed_forward: int, heads: int, kv_heads: int) -> Shape:
    """Return the dimensions of a dense model without sliding windows, with heads of 128."""
    return Shape(
        name,
        layers,
        width,
        feed_forward,
        heads,
        kv_heads,
        kv_heads,
        window=ALL_TOKENS,
        group=ALL_TOKENS,
        key_length=128,
        key_length_swa=128,
    )


# Models of rows for devices that lack one of Gemma 4; and their vocabularies.
OTHER_MODELS = {
    "llama-3B": (_other("llama 3B", 28, 3072, 8192, 24, 8), 128_256),
    "llama-7B": (_other("llama 7B", 32, 4096, 11_008, 32, 32), 32_000),
    "llama-8B": (_other("llama 8B", 32, 4096, 14_336, 32, 8), 128_256),
    "qwen-4B": (_other("qwen 4B", 36, 2560, 9728, 32, 8), 151_936),
    "qwen-8B": (_other("qwen 8B", 36, 4096, 12_288, 32, 8), 151_936),
}

PATH = Path(__file__).parents[2] / "golden" / "speed-calibration.csv"


@dataclass(frozen=True, slots=True)
class Row:
    """One published measurement; None for parts that it lacks."""

    device: str
    device_class: str
    backend: str
    bytes_per_second: float
    half_precision_flops: float | None
    cores: int | None
    size: str
    quantization: str
    bits_per_weight: float
    kv_type: KvType
    reads_head: bool
    position: int
    generation_tokens_per_second: float | None
    prompt_tokens: int | None
    prompt_depth: int
    prompt_tokens_per_second: float | None
    micro_batch: int
    cpu_expert_layers: int
    excluded: str
    source: str


def read_rows() -> tuple[Row, ...]:
    """Read all rows, including excluded ones."""
    with PATH.open(encoding="utf-8", newline="") as file:
        return tuple(_row(record) for record in csv.DictReader(file))


def _row(record: dict[str, str]) -> Row:
    return Row(
        device=record["device"],
        device_class=record["device_class"],
        backend=record["backend"],
        bytes_per_second=float(record["bandwidth_gbs"]) * 1e9,
        half_precision_flops=float(record["half_precision_tflops"]) * 1e12 if record["half_precision_tflops"] else None,
        cores=int(record["cores"]) if record["cores"] else None,
        size=record["size"],
        quantization=record["quantization"],
        bits_per_weight=float(record["bits_per_weight"]),
        kv_type=KvType(record["kv"]),
        reads_head=record["reads_head"] == "yes",
        position=int(record["position"] or 0),
        generation_tokens_per_second=_number(record["generation"]),
        prompt_tokens=int(record["prompt_tokens"]) if record["prompt_tokens"] else None,
        prompt_depth=int(record["prompt_depth"] or 0),
        prompt_tokens_per_second=_number(record["prompt"]),
        micro_batch=int(record["micro_batch"]),
        cpu_expert_layers=int(record["cpu_expert_layers"]),
        excluded=record["excluded"],
        source=record["source"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def used_rows() -> tuple[Row, ...]:
    """Return the rows that are not excluded."""
    return tuple(row for row in read_rows() if not row.excluded)


def generation_rows() -> tuple[Row, ...]:
    """Return the rows with the generation speed of a single device."""
    return tuple(row for row in used_rows() if row.generation_tokens_per_second and not row.cpu_expert_layers)


def prompt_rows() -> tuple[Row, ...]:
    """Return the rows with the prompt speed of a single device."""
    return tuple(row for row in used_rows() if row.prompt_tokens_per_second and not row.cpu_expert_layers)


def model_shape(size: str, bits_per_weight: float, weight_type: str = "") -> ModelShape:
    """Return a model with the same bits for every weight."""
    other = OTHER_MODELS.get(size)
    architecture = architecture_of(SHAPES[size.lower()] if other is None else other[0])
    vocabulary = VOCABULARY_SIZE if other is None else other[1]
    architecture = replace(architecture, vocabulary_size=vocabulary)
    byte = bits_per_weight / 8
    experts = architecture.expert_count * 3 * architecture.embedding_length * architecture.expert_feed_forward_length
    dense = replace(architecture, expert_used_count=0)
    layers = tuple(
        LayerWeights(round(matrix_operations(dense, layer) / 2 * byte), round(experts * byte))
        for layer in range(architecture.layers)
    )
    head = round(vocabulary * architecture.embedding_length * byte)
    table = round(vocabulary * architecture.per_layer_embedding_length * architecture.layers * byte)
    total = sum(layer.dense_bytes + layer.expert_bytes for layer in layers) + head + table
    name = f"gemma4:{size.lower()}"
    return ModelShape(name, architecture, layers, head, table, 0, total, 0, 0, False, weight_type=weight_type)


def architecture_of(shape: Shape) -> Gemma4:
    """Return the dimensions as a header would have them."""
    sliding = tuple(shape.is_sliding(layer) for layer in range(shape.layers))
    return Gemma4(
        size_label=shape.name,
        parameters=0,
        layers=shape.layers,
        embedding_length=shape.width,
        feed_forward_lengths=tuple(shape.feed_forward_of(layer) for layer in range(shape.layers)),
        head_count=shape.heads,
        kv_head_counts=tuple(shape.kv_heads if is_sliding else shape.global_kv_heads for is_sliding in sliding),
        key_length=shape.key_length,
        key_length_swa=shape.key_length_swa,
        sliding_window=shape.window,
        sliding_pattern=sliding,
        shared_kv_layers=shape.shared_layers,
        per_layer_embedding_length=shape.per_layer_width,
        expert_count=shape.experts,
        expert_used_count=shape.experts_used,
        expert_feed_forward_length=shape.expert_feed_forward,
        context_length=shape.context_length,
        vocabulary_size=VOCABULARY_SIZE,
        has_thinking=True,
    )
