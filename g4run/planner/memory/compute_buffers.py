"""Compute the size of the compute buffers and the logits buffer that llama.cpp reserves before the first token.

It reserves the worst graph: a full micro-batch over a full cache, with flash attention (src/llama-context.cpp:659-740).
Without a GPU, the result is exact to the byte for the five sizes. With one, it is an estimate for comparing many plans;
`exact_compute` corrects that of a single one.
"""

from enum import Enum, auto

from g4run.engine.limits import max_outputs
from g4run.kv_types import KvType
from g4run.models.gguf.dimensions import Gemma4
from g4run.planner.memory.graph.rotation import VALUE_ROTATION, largest_rotation
from g4run.planner.memory.kv_cache import cells_of
from g4run.planner.values import PlanSettings

MASK_BYTES = 2  # per cell and token: F16 with flash attention (src/llama-graph.cpp)
FLOAT_BYTES = 4
PIPELINE_COPIES = 4  # GGML_SCHED_MAX_COPIES: of every input, if several GPUs form a pipeline
PADDING_BYTES = 32  # tensor sizes are rounded up to a multiple of this
# Share of the activations alive while a GPU holds a copy of a CPU tensor: from the log of a 12B with 38 of 49 layers
# offloaded (ollama#16617: 5665 MiB in total, which leaves 139 for the buffer).
STAGING_SHARE = 0.8
INDEX_BYTES = 44  # on the host, per token: its number, position, and cells
LOG_BYTES = 1024  # more than that in llama.cpp#24376

# Bytes per token of a micro-batch without masks, all layers together: measured with no_alloc, and the same for every
# context, micro-batch, quantization, and number of sequences (tests/benchmarks/memory.py).
ACTIVATION_BYTES = {"E2B": 224_300, "E4B": 229_420, "12B": 263_208, "26B A4B": 196_648, "31B": 355_368}

# The most that a GPU takes of them (exact_compute), where that is more: the allocator leaves other holes there.
GPU_ACTIVATION_BYTES = {"E2B": 232_484, "31B": 366_630}
SPLIT_EXPERTS_BYTES = {"26B A4B": 219_156}  # with the experts of some layers on the CPU


class ComputeRole(Enum):
    """What a device computes."""

    ALL = auto()  # the CPU, without a GPU
    LAYERS = auto()  # a GPU with its own layers
    INPUTS = auto()  # the CPU with GPUs that compute all layers in long batches, also the CPU's (op_offload)


def compute_bytes(
    architecture: Gemma4,
    settings: PlanSettings,
    role: ComputeRole = ComputeRole.ALL,
    *,
    input_copies: int = 1,
    staging_bytes: int = 0,
    copied_cache_bytes: int = 0,
) -> int:
    """Return the size of one device's compute buffer.

    `staging_bytes` is the most that a GPU copies for one operation, `copied_cache_bytes` what it copies of other
    devices' caches for all its layers.
    """
    tokens = reserved_tokens(settings)
    cells = cells_of(architecture.sliding_window, settings)
    masks = MASK_BYTES * (cells.context + cells.sliding)
    places = -(-FLOAT_BYTES * reserved_outputs(settings) // PADDING_BYTES) * PADDING_BYTES
    rest = places + (0 if settings.kv_type is KvType.F16 else rotation_bytes(architecture))
    match role:
        case ComputeRole.INPUTS:
            return input_copies * (tokens * (masks + host_input_bytes(architecture)) + rest)
        case ComputeRole.LAYERS:
            activations = tokens * activation_bytes(architecture)
            table = SPLIT_EXPERTS_BYTES if settings.cpu_expert_layers else GPU_ACTIVATION_BYTES
            most = tokens * table.get(architecture.size_label, 0)
            activations = max(activations, most, int(activations * STAGING_SHARE) + staging_bytes)
            # E4B on ROCm: 1278 MiB at a micro-batch of 2048 and 131,072 tokens (llama.cpp#24376).
            activations = max(activations, tokens * 9 * per_layer_input_bytes(architecture)) + copied_cache_bytes
            if input_copies > 1:
                masks += 2 * FLOAT_BYTES * architecture.embedding_length + per_layer_input_bytes(architecture)
            masks *= input_copies
            rest *= input_copies
        case ComputeRole.ALL:
            activations = tokens * activation_bytes(architecture)
    return tokens * masks + max(activations, _logits_bytes(architecture, settings, tokens)) + rest


def reserved_tokens(settings: PlanSettings) -> int:
    """Return the micro-batch, rounded up to an equal number per sequence (llama_context::graph_reserve)."""
    tokens = min(settings.micro_batch, settings.context)
    return -(-tokens // settings.sequences) * settings.sequences


def reserved_outputs(settings: PlanSettings) -> int:
    """Return the rows of logits that the graph is reserved for."""
    return max_outputs(settings.sequences, min(settings.micro_batch, settings.context))


def output_bytes(architecture: Gemma4, sequences: int) -> int:
    """Return the size of the logits of one token per sequence, in main memory.

    It is 1 MiB each for 262,144 tokens (llama-context.cpp:381).
    """
    return sequences * architecture.vocabulary_size * FLOAT_BYTES


def activation_bytes(architecture: Gemma4) -> int:
    """Return the bytes of a token's activations; for an unknown size, an upper bound of all measured ones."""
    known = ACTIVATION_BYTES.get(architecture.size_label)
    return known if known is not None else _activation_bound(architecture)


def host_input_bytes(architecture: Gemma4) -> int:
    """Return what the CPU keeps per token for the GPUs: its embedding, its per-layer embeddings, its indexes.

    And the embedding once more, which is scaled, or later a layer's new keys and values, which go to the CPU's cache.

    Including masks, llama.cpp#24376 reports 648 MiB for E4B at a micro-batch of 2048 and 131,072 tokens, and
    ollama#16617 22 MiB for a partly offloaded 12B at 512 and 4096.
    """
    widths = (count * architecture.key_length_of(layer) for layer, count in enumerate(architecture.kv_head_counts))
    embedding = FLOAT_BYTES * architecture.embedding_length
    later = max(embedding + LOG_BYTES, 2 * FLOAT_BYTES * max(widths))
    return embedding + later + per_layer_input_bytes(architecture) + INDEX_BYTES


def per_layer_input_bytes(architecture: Gemma4) -> int:
    """Return the bytes of a token's per-layer embeddings as floats; 0 without them."""
    return FLOAT_BYTES * architecture.per_layer_embedding_length * architecture.layers


def rotation_bytes(architecture: Gemma4) -> int:
    """Return the bytes of the matrices that rotate a quantized cache."""
    if architecture.key_length % VALUE_ROTATION:
        return 0
    sides = [largest_rotation(length) for length in (architecture.key_length, architecture.key_length_swa)]
    return FLOAT_BYTES * sum(side**2 + VALUE_ROTATION**2 for side in sides)


def _activation_bound(architecture: Gemma4) -> int:
    query = architecture.head_count * architecture.key_length
    feed_forward = max(architecture.feed_forward_lengths)
    experts = 3 * architecture.expert_used_count * architecture.expert_feed_forward_length
    widths = 6 * query + 2 * feed_forward + experts + 2 * architecture.embedding_length
    return FLOAT_BYTES * widths + per_layer_input_bytes(architecture) + 44


def _logits_bytes(architecture: Gemma4, settings: PlanSettings, tokens: int) -> int:
    """Return the bytes of the logits of all outputs, which exceed the layers if the micro-batch is small."""
    logits = min(tokens, reserved_outputs(settings)) * architecture.vocabulary_size * FLOAT_BYTES
    return logits + tokens * 2 * FLOAT_BYTES * architecture.embedding_length
